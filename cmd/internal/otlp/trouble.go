package otlp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"regexp"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// trouble is what hinders.
type trouble struct {
	sort  string // "" if nothing does but the end of the run
	final bool   // to send it again would not help
	hint  string
}

// words are what is said of an error, with what to do about it.
func (t trouble) words(err error) string {
	s := err.Error()
	if st, ok := status.FromError(err); ok && st.Code() != codes.OK {
		s = st.Message()
	}
	const most = 300
	if len(s) > most {
		s = s[:most] + "…"
	}
	if t.hint != "" {
		s += ": " + t.hint
	}
	return s
}

// What to do about it.
const (
	hintAuth    = "set OTEL_EXPORTER_OTLP_HEADERS; what is to be sent is kept, as much as there is room for, and tried again"
	hintAway    = "what is to be sent is kept, as much as there is room for, and tried again"
	hintURL     = "nothing takes traces there: see the URL; what is to be sent is kept, as much as there is room for, and tried again"
	hintTLS     = "OTEL_EXPORTER_OTLP_CERTIFICATE names the file of the authority that signs; http:// and grpc:// go without TLS"
	hintRefused = "it is counted, and not sent again"
)

// httpStatus finds the code in what the HTTP exporters say.
var httpStatus = regexp.MustCompile(`failed to send (?:logs )?to \S+: (\d{3}) `)

// classify tells sorts of trouble apart.
func classify(err error) trouble {
	s := err.Error()
	var unknown x509.UnknownAuthorityError
	var verify *tls.CertificateVerificationError
	var header tls.RecordHeaderError
	var op *net.OpError
	switch m := httpStatus.FindStringSubmatch(s); {
	case errors.Is(err, context.Canceled):
		return trouble{}
	case strings.Contains(s, "OTLP partial success"):
		return trouble{"refused", true, hintRefused}
	case m != nil:
		return byHTTP(m[1])
	case errors.As(err, &unknown), errors.As(err, &verify), errors.As(err, &header), strings.Contains(s, "tls: "), strings.Contains(s, "HTTP response to HTTPS"),
		strings.Contains(s, "authentication handshake failed"), strings.Contains(s, "x509: "):
		return trouble{"tls", false, hintTLS}
	case errors.As(err, &op), errors.Is(err, context.DeadlineExceeded):
		return trouble{"away", false, hintAway}
	}
	if st, ok := status.FromError(err); ok {
		return byGRPC(st.Code())
	}
	return trouble{"away", false, hintAway}
}

func byHTTP(code string) trouble {
	switch code {
	case "401", "403", "407":
		return trouble{"auth", false, hintAuth}
	case "404", "405":
		return trouble{"url", false, hintURL}
	case "408", "429", "500", "502", "503", "504":
		return trouble{"away", false, hintAway}
	}
	return trouble{"refused", true, hintRefused}
}

func byGRPC(c codes.Code) trouble {
	switch c {
	case codes.Unauthenticated, codes.PermissionDenied:
		return trouble{"auth", false, hintAuth}
	case codes.Unimplemented, codes.NotFound:
		return trouble{"url", false, hintURL}
	case codes.InvalidArgument, codes.OutOfRange, codes.FailedPrecondition:
		return trouble{"refused", true, hintRefused}
	case codes.OK, codes.Canceled, codes.Unknown, codes.DeadlineExceeded, codes.AlreadyExists, codes.ResourceExhausted, codes.Aborted, codes.Internal, codes.Unavailable, codes.DataLoss:
	}
	return trouble{"away", false, hintAway}
}
