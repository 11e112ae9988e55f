package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/net/netutil"

	"dnatrace/capture"
	"dnatrace/cmd/internal/metrics"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/correlate"
)

// listenFlag is the value of --metrics: an address and a port of this machine, or a
// port of its loopback.
type listenFlag struct{ at netip.AddrPort }

func (l *listenFlag) String() string {
	if !l.at.IsValid() {
		return ""
	}
	return l.at.String()
}

func (*listenFlag) Type() string { return "address:port" }

// Set takes 127.0.0.1:9469, [::1]:9469, localhost:9469, :9469 and 9469; the last three
// are of the loopback.
func (l *listenFlag) Set(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = "", s
	}
	if host == "" || host == "localhost" {
		host = "127.0.0.1"
	}
	if l.at, err = netip.ParseAddrPort(net.JoinHostPort(host, port)); err != nil {
		return fmt.Errorf("%q is no address and port of this machine: write 127.0.0.1:9469, or 0.0.0.0:9469 to be reached from elsewhere", s)
	}
	return nil
}

// served are the metrics of a run, and the server that tells them. Nil serves
// nothing.
type served struct {
	*metrics.Metrics
	server *http.Server
	ended  <-chan struct{}
	stop   context.CancelFunc
	looked time.Time // at how far the run has come
}

// Bounds of the server: it answers a few who ask now and then.
const (
	mostScrapers  = 32
	scrapeHeaders = 16 << 10
	scrapeTime    = 10 * time.Second
	lookEvery     = time.Second
)

// serve opens the port of --metrics, before anything is captured and while there is
// privilege, and answers there until close is called.
func (a *app) serve(f *watchFlags) (*served, error) {
	if !f.metrics.at.IsValid() {
		return nil, nil
	}
	l, err := net.Listen("tcp", f.metrics.at.String())
	if err != nil {
		return nil, cannotServe(f.metrics.at, err)
	}
	s := &served{Metrics: metrics.New(buildVersion(), capture.Sources)}
	s.server = &http.Server{Handler: s.Handler(), ReadHeaderTimeout: scrapeTime, WriteTimeout: scrapeTime, IdleTimeout: time.Minute, MaxHeaderBytes: scrapeHeaders, ErrorLog: log.New(io.Discard, "", 0)}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.ended = pipeline.Do(ctx, func(context.Context) { s.server.Serve(netutil.LimitListener(l, mostScrapers)) })
	fmt.Fprintf(a.err, "metrics on http://%s/metrics\n", l.Addr())
	return s, nil
}

// cannotServe says why in a line, and what to do.
func cannotServe(at netip.AddrPort, err error) error {
	remedy, why := "", err
	var errno syscall.Errno
	if errors.As(err, &errno) {
		why = errno
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		remedy = "another program, or another watch, has that port: choose one that is free"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		remedy = "no interface of this machine has that address"
	}
	return remedied{fmt.Errorf("serve metrics: listen on %s: %w", at, why), remedy}
}

// close ends the server with the run: who is being answered is waited for, a moment.
func (s *served) close() {
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if s.server.Shutdown(ctx) != nil {
		s.server.Close()
	}
	s.stop()
	<-s.ended
}

// feed has a run tell the metrics, beside whom it tells now.
func (s *served) feed(src *source, w *watcher) {
	if s == nil {
		return
	}
	w.model.Observe(s.Observer())
	src.Source = s.tap(src.Source)
	beside := src.beside
	src.beside = func(o *pipeline.Options) {
		beside(o)
		s.beside(o)
	}
}

func (s *served) beside(o *pipeline.Options) {
	tell, flood := o.OnTime, o.OnFlood
	o.OnTime = func(now time.Time, status func() correlate.Status) {
		s.time(now, status)
		tell(now, status)
	}
	o.OnFlood = func(f *correlate.FloodReport) {
		s.Flood()
		flood(f)
	}
}

// time takes how far the run has come, now and then: it costs.
func (s *served) time(now time.Time, status func() correlate.Status) {
	if time.Since(s.looked) < lookEvery {
		return
	}
	s.Advance(now)
	s.Status(status())
	s.looked = time.Now()
}

// tap tells what a stream says of itself.
func (s *served) tap(src capture.Source) capture.Source {
	return func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			why := "the stream has ended"
			defer func() { s.Ended(why) }()
			said := saidSoFar{rings: map[uint16]string{}}
			for b, err := range src(ctx) {
				if err != nil {
					why = "the capture has failed: " + err.Error()
				} else {
					s.take(b, &said)
				}
				if !yield(b, err) {
					return
				}
			}
		}
	}
}

// saidSoFar is what a stream has said of itself so far.
type saidSoFar struct {
	rings   map[uint16]string // the namespaces that they are in
	packets bool              // whether there are packets
}

// take tells what a batch says of points, losses and sources. What is damaged is
// told by who judges it.
func (s *served) take(b *capture.Batch, h *saidSoFar) {
	if n := len(b.Packets); n > 0 {
		if s.Packets(n); !h.packets { // anyone's capture does not say so
			s.Source(capture.OriginPackets, capture.SourceOK, "")
			h.packets = true
		}
	}
	for i := range b.Records {
		r := &b.Records[i]
		switch r.Kind {
		case capture.KindPoint:
			var p capture.Point
			if json.Unmarshal(r.Data, &p) == nil {
				s.Point(p.Name, p.Role.String())
				h.rings[p.Ring] = p.Netns
			}
		case capture.KindLoss:
			var l capture.Loss
			if json.Unmarshal(r.Data, &l) == nil {
				s.Lost(h.rings[l.Ring], l.Lost)
			}
		case capture.KindSource:
			var st capture.SourceState
			if json.Unmarshal(r.Data, &st) == nil {
				s.Source(st.Name, st.State, st.Why)
				h.packets = h.packets || st.Name == capture.OriginPackets
			}
		}
	}
}
