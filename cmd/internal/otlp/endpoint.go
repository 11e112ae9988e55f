package otlp

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Endpoint is where a receiver listens. The zero value has all of it from the
// environment.
type Endpoint struct {
	grpc, tls bool
	host      string // with a port
	path      string // before /v1/traces; of HTTP
}

// FromEnvironment has the endpoint taken from the OTEL_EXPORTER_OTLP_… variables.
const FromEnvironment = "env"

// ParseEndpoint reads http://HOST:4318, https://…, grpc://HOST:4317, grpcs://…, or env.
func ParseEndpoint(s string) (Endpoint, error) {
	if s == FromEnvironment {
		return Endpoint{}, nil
	}
	u, err := url.Parse(s)
	const forms = "write http://HOST:4318, https://HOST, grpc://HOST:4317, grpcs://HOST, or env"
	switch {
	case err != nil || u.Hostname() == "":
		return Endpoint{}, fmt.Errorf("%q is no URL of a receiver: %s", s, forms)
	case u.User != nil:
		return Endpoint{}, fmt.Errorf("the URL of a receiver has no user or password: set OTEL_EXPORTER_OTLP_HEADERS")
	case u.RawQuery != "" || u.Fragment != "":
		return Endpoint{}, fmt.Errorf("%q is no URL of a receiver: it has a query", s)
	}
	p := Endpoint{host: u.Host, path: strings.TrimRight(u.Path, "/")}
	port := "4318"
	switch u.Scheme {
	case "http", "https":
		p.tls = u.Scheme == "https"
		if p.tls {
			port = "443"
		}
	case "grpc", "grpcs":
		if p.grpc, p.tls, port = true, u.Scheme == "grpcs", "4317"; p.path != "" {
			return Endpoint{}, fmt.Errorf("%q is no URL of a receiver: gRPC has no path", s)
		}
	default:
		return Endpoint{}, fmt.Errorf("%q is no URL of a receiver: %s", s, forms)
	}
	if u.Port() == "" {
		p.host += ":" + port
	}
	return p, nil
}

// String is the endpoint as it is given.
func (p Endpoint) String() string {
	if p.host == "" {
		return "the endpoint of OTEL_EXPORTER_OTLP_ENDPOINT"
	}
	scheme := "http"
	if p.grpc {
		scheme = "grpc"
	}
	if p.tls {
		scheme += "s"
	}
	return scheme + "://" + p.host + p.path
}

// receiver takes spans and logs.
type receiver struct {
	spans sdktrace.SpanExporter
	logs  sdklog.Exporter
}

func (r receiver) close(ctx context.Context) {
	_ = r.spans.Shutdown(ctx) // it has nothing left to send
	_ = r.logs.Shutdown(ctx)
}

// connect makes the exporters. They connect when they send, and try once: what failed
// stays in the queue.
func connect(ctx context.Context, p Endpoint) (r receiver, err error) {
	if p.grpc || p.host == "" && protocol() == "grpc" {
		return byGRPCTo(ctx, p)
	}
	t := []otlptracehttp.Option{otlptracehttp.WithRetry(otlptracehttp.RetryConfig{})}
	l := []otlploghttp.Option{otlploghttp.WithRetry(otlploghttp.RetryConfig{})}
	if packed() {
		t, l = append(t, otlptracehttp.WithCompression(otlptracehttp.GzipCompression)), append(l, otlploghttp.WithCompression(otlploghttp.GzipCompression))
	}
	if p.host != "" {
		t = append(t, otlptracehttp.WithEndpointURL(p.String()+"/v1/traces"))
		l = append(l, otlploghttp.WithEndpointURL(p.String()+"/v1/logs"))
	}
	if r.spans, err = otlptracehttp.New(ctx, t...); err != nil {
		return r, err
	}
	r.logs, err = otlploghttp.New(ctx, l...)
	return r, err
}

func byGRPCTo(ctx context.Context, p Endpoint) (r receiver, err error) {
	t := []otlptracegrpc.Option{otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{})}
	l := []otlploggrpc.Option{otlploggrpc.WithRetry(otlploggrpc.RetryConfig{})}
	if packed() {
		t, l = append(t, otlptracegrpc.WithCompressor("gzip")), append(l, otlploggrpc.WithCompressor("gzip"))
	}
	if p.host != "" {
		scheme := "http://"
		if p.tls {
			scheme = "https://"
		}
		t, l = append(t, otlptracegrpc.WithEndpointURL(scheme+p.host)), append(l, otlploggrpc.WithEndpointURL(scheme+p.host))
	}
	if r.spans, err = otlptracegrpc.New(ctx, t...); err != nil {
		return r, err
	}
	r.logs, err = otlploggrpc.New(ctx, l...)
	return r, err
}

// protocol is what the environment says of it.
func protocol() string { return os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL") }

// packed reports whether what is sent is packed: unless the environment says how.
func packed() bool {
	for _, of := range []string{"", "TRACES_", "LOGS_"} {
		if os.Getenv("OTEL_EXPORTER_OTLP_"+of+"COMPRESSION") != "" {
			return false
		}
	}
	return true
}
