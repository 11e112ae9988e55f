package opener_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"dnatrace/capture/netns/netnstest"
	"dnatrace/capture/opener"
	"dnatrace/capture/ring"
	"dnatrace/capture/ruletrace"
)

var wanted = ruletrace.Want{
	Ports:     []ring.Port{{Proto: 6, Port: 8080}},
	Endpoints: []ring.Endpoint{{Addr: netip.MustParseAddr("172.17.0.2"), Ports: []ring.Port{{Proto: 6, Port: 80}}}},
}

// listed is the namespace's ruleset.
func listed(t *testing.T, path string) (text string) {
	t.Helper()
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("this test needs nft: install nftables")
	}
	netnstest.Do(t, path, func() error {
		out, err := exec.Command("nft", "list", "ruleset").CombinedOutput()
		text = string(out)
		return err
	})
	return text
}

func TestATraceTableLastsAsLongAsItsFile(t *testing.T) {
	path := netnstest.New(t)
	o, err := opener.Start()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := o.TraceTable(path, wanted); !ruletrace.NoRules(err) {
		t.Errorf("there are no rules yet: got %v", err)
	}
	netnstest.Run(t, path, "nft add table inet story")
	before := listed(t, path)
	f, note, err := o.TraceTable(path, wanted)
	if err != nil || note != "" {
		t.Fatal(note, err)
	}
	other := wanted
	other.Ports = []ring.Port{{Proto: 17, Port: 5300}}
	if err := o.TraceUpdate(f, other); err != nil {
		t.Error(err)
	}
	if text := listed(t, path); !strings.Contains(text, "udp . 5300") || strings.Contains(text, "tcp . 8080") {
		t.Errorf("after the update there is\n%s", text)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if text := listed(t, path); !strings.Contains(text, "udp . 5300") {
		t.Errorf("the table went with the opener, not with the file:\n%s", text)
	}
	f.Close()
	if text := listed(t, path); text != before {
		t.Errorf("the file is closed, and still there is\n%s", text)
	}
}

func TestAFileThatIsNoTraceTableIsNotUpdated(t *testing.T) {
	path := netnstest.New(t)
	o := start(t)
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := o.Conntrack(path, true)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]*os.File{"a device": null, "a socket without a table": listener, "nothing": nil} {
		if err := o.TraceUpdate(f, wanted); err == nil {
			t.Errorf("%s was updated", name)
		}
		if f != nil {
			f.Close()
		}
	}
	if text := listed(t, path); text != "" {
		t.Errorf("there is\n%s", text)
	}
}

// actTrace has rules traced, and changes its mind all the time.
func actTrace(path string) {
	o, err := opener.Start()
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := opener.Drop(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("started")
	for w := wanted; ; {
		f, _, err := o.TraceTable(path, w)
		if err != nil {
			fmt.Println(err)
			return
		}
		for range 20 {
			w.Ports = []ring.Port{{Proto: 6, Port: uint16(rand.N(65536))}}
			if err := o.TraceUpdate(f, w); err != nil {
				fmt.Println(err)
				return
			}
		}
		f.Close()
	}
}

func TestNothingIsLeftWhenKilledAtAnyMoment(t *testing.T) {
	path := netnstest.New(t)
	netnstest.Run(t, path, "nft add table inet story")
	text := listed(t, path)
	there := 0
	for range 20 {
		cmd := act(t, "trace", path)
		cmd.Stderr = nil // its opener may complain that nobody listens
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if strings.Contains(line, "built with cgo") {
			cmd.Wait()
			t.Skip("privilege cannot be dropped in a binary built with cgo: set CGO_ENABLED=0")
		}
		if line != "started\n" {
			t.Fatal(line, err)
		}
		time.Sleep(rand.N(40 * time.Millisecond))
		if listed(t, path) != text {
			there++
		}
		cmd.Process.Kill()
		cmd.Wait()
		gone := time.Now().Add(2 * time.Second) // the opener finishes what it is at
		for listed(t, path) != text {
			if time.Now().After(gone) {
				t.Fatalf("there is\n%s", listed(t, path))
			}
			time.Sleep(time.Millisecond)
		}
	}
	if there == 0 {
		t.Error("no table was seen in any run: the test proves nothing")
	}
	t.Logf("there was a table in %d of 20 runs, and none after any", there)
}
