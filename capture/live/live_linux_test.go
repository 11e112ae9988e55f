package live

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dnatrace/capture"
	"dnatrace/capture/opener"
	"dnatrace/capture/rules"
	"dnatrace/capture/target"
	"dnatrace/fixtures/lab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// watched is what a session on a lab handed out.
type watched struct {
	records []capture.Record
	packets map[string]int // by point, ARP left out
	names   []string
}

// watchLab opens a session on a new lab, has f do something, and collects the
// stream until a moment after its end.
func watchLab(t *testing.T, c Config, f func(*lab.Lab, *Session)) watched {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root for network namespaces: run the tests with sudo")
	}
	l, err := lab.New()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	snapshot := l.Snapshot()
	c.Netns, c.Fixed, c.Opener = l.HostNetns(), &snapshot, opener.Local()
	c.FixedNetns = map[string]string{lab.Web: l.ContainerNetns(lab.Web)}
	if c.Targets, err = target.ParseAll([]string{"8080"}); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(l, s)
		time.Sleep(100 * time.Millisecond) // rings hand over what they have within two retire periods
		cancel()
	}()
	w := collect(t, s.Source(), ctx)
	<-done
	return w
}

func collect(t *testing.T, src capture.Source, ctx context.Context) watched {
	t.Helper()
	w := watched{packets: map[string]int{}}
	for b, err := range src(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Records {
			if r.Origin == capture.OriginPackets && r.Kind == capture.KindPoint {
				w.names = append(w.names, pointOf(t, r).Name)
			}
			r.Data = slices.Clone(r.Data)
			w.records = append(w.records, r)
		}
		for _, p := range b.Packets {
			if f := b.Arena[p.Off : p.Off+p.Len]; len(f) >= 14 && f[12] == 0x08 && f[13] == 0x06 {
				continue
			}
			w.packets[w.names[p.Point]]++
		}
	}
	return w
}

func (w watched) count(origin, kind, netns string) int {
	n := 0
	for _, r := range w.records {
		if r.Origin == origin && r.Kind == kind && (netns == "" || r.Netns == netns) {
			n++
		}
	}
	return n
}

func TestASessionSeesARequestAtEveryPointAndTheHostBeforeAndAfter(t *testing.T) {
	w := watchLab(t, Config{}, func(l *lab.Lab, _ *Session) {
		if err := l.Get(context.Background(), lab.Published); err != nil {
			t.Error(err)
		}
	})

	for _, point := range []string{"eth0", "docker0", "web:eth0"} {
		if w.packets[point] < 8 {
			t.Errorf("%d packets at %s, want a whole connection: %v", w.packets[point], point, w.packets)
		}
	}
	first, last := w.records[0], w.records[len(w.records)-1]
	if first.Kind != capture.KindStart || last.Kind != capture.KindEnd {
		t.Errorf("the stream begins with %s and ends with %s, want start and end", first.Kind, last.Kind)
	}
	for _, netns := range []string{capture.HostNetns, lab.Web} {
		if n := w.count(capture.OriginHost, capture.KindSample, netns); n < 2 {
			t.Errorf("%d samples of %s, want one before and one after", n, netns)
		}
	}
	if n := w.count(capture.OriginRules, capture.KindRuleset, capture.HostNetns); n < 2 {
		t.Errorf("%d rulesets of the host, want one before and one after", n)
	}
	if w.count(capture.OriginConntrack, capture.KindEvent, "") == 0 {
		t.Error("conntrack told nothing of the connection")
	}
	if w.count(capture.OriginEngine, capture.KindSnapshot, "") == 0 {
		t.Error("what the engine publishes is not in the stream")
	}
}

func TestTrafficToOtherPortsStaysOutside(t *testing.T) {
	w := watchLab(t, Config{}, func(l *lab.Lab, _ *Session) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if conn, err := l.Dial(ctx, "client", "tcp", "198.51.100.1:9"); err == nil {
			conn.Close()
			t.Error("something answers on port 9 of the lab's host")
		}
	})

	if n := w.packets["eth0"]; n != 0 {
		t.Errorf("%d packets at eth0, want none: nobody asked about port 9", n)
	}
}

func TestTheTraceTellsOfTheRules(t *testing.T) {
	w := watchLab(t, Config{Trace: true}, func(l *lab.Lab, _ *Session) {
		if err := l.Get(context.Background(), lab.Published); err != nil {
			t.Error(err)
		}
	})

	if w.count(capture.OriginRuleTrace, capture.KindEvent, capture.HostNetns) == 0 {
		t.Error("the kernel traced no rule of the host")
	}
}

func TestInAFloodNothingCanBeTraced(t *testing.T) {
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("this test needs nft: install nftables")
	}
	var rested string
	w := watchLab(t, Config{Trace: true}, func(l *lab.Lab, s *Session) {
		marks := func() bool {
			out, err := exec.Command("nsenter", "--net="+l.HostNetns(), "nft", "list", "ruleset").CombinedOutput()
			if err != nil || !strings.Contains(string(out), rules.TracePrefix) {
				t.Errorf("list the rules: %v\n%s", err, out)
			}
			return strings.Contains(string(out), "nftrace")
		}
		if !marks() {
			t.Error("nothing is traced before the flood")
		}
		for began := time.Now(); s.Paced() == "" && time.Since(began) < 10*time.Second; {
			if _, err := l.Flood(context.Background(), 20_000, 64); err != nil {
				t.Error(err)
			}
		}
		if s.Paced() == "" || marks() {
			t.Error("in the flood packets can still be marked")
		}
		for began := time.Now(); !marks() && time.Since(began) < 10*time.Second; {
			time.Sleep(100 * time.Millisecond)
		}
		if !marks() {
			t.Error("nothing is traced after the flood")
		}
		rested = s.Paced()
	})

	said := slices.ContainsFunc(w.records, func(r capture.Record) bool {
		return r.Kind == capture.KindSource && strings.Contains(string(r.Data), rested)
	})
	if !said {
		t.Errorf("the recording does not say that the trace %s", rested)
	}
}

// refused asks the lab's host for a port that nobody publishes.
func refused(t *testing.T, l *lab.Lab) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if conn, err := l.Dial(ctx, "client", "tcp", "198.51.100.1:9"); err == nil {
		conn.Close()
		t.Error("something answers on port 9 of the lab's host")
	}
}

func TestConntrackTellsOfTheTargetsTrafficAlone(t *testing.T) {
	w := watchLab(t, Config{}, func(l *lab.Lab, _ *Session) { refused(t, l) })
	if n := w.count(capture.OriginConntrack, capture.KindEvent, ""); n != 0 {
		t.Errorf("conntrack told of %d connections, want none: nobody asked about port 9", n)
	}

	w = watchLab(t, Config{}, func(l *lab.Lab, s *Session) {
		resolved, err := target.ResolveAll([]target.Target{{Port: 9}}, s.config.Fixed)
		if err != nil {
			t.Error(err)
		}
		s.refilter(&resolved) // as when the engine says that something has changed
		refused(t, l)
	})
	if w.count(capture.OriginConntrack, capture.KindEvent, "") == 0 {
		t.Error("conntrack told nothing of what the target stands for now")
	}
}
