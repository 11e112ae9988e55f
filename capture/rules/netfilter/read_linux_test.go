package netfilter_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"dnatrace/capture/netns/netnstest"
	"dnatrace/capture/rules"
	"dnatrace/capture/rules/netfilter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func read(t *testing.T, path string) map[string]rules.Ruleset {
	t.Helper()
	sets, err := netfilter.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]rules.Ruleset{}
	for _, s := range sets {
		if s.Error != "" {
			t.Errorf("%s %s: %s", s.Backend, s.Table, s.Error)
		}
		found[strings.TrimSpace(s.Backend+" "+s.Table)] = s
	}
	return found
}

func TestNativeRulesAreReadWithSetsAndCounters(t *testing.T) {
	path := netnstest.New(t)
	netnstest.Run(t, path,
		"nft add table inet story",
		"nft add set inet story ports { type inet_service ; }",
		"nft add element inet story ports { 8080 , 4711 }",
		"nft add counter inet story hits",
		"nft add chain inet story inward { type filter hook input priority 0 ; policy drop ; }",
		"nft add rule inet story inward tcp dport @ports counter accept")
	got := read(t, path)["nft"]
	if got.Torn {
		t.Error("nobody changed the rules, and yet they are torn")
	}
	kinds := map[int]int{}
	for raw := got.Data; len(raw) > 0; {
		n := binary.NativeEndian.Uint32(raw)
		kinds[int(binary.NativeEndian.Uint16(raw[4:])&0xff)]++
		raw = raw[(n+3)&^3:]
	}
	for kind, name := range map[int]string{
		unix.NFT_MSG_NEWTABLE: "table", unix.NFT_MSG_NEWCHAIN: "chain", unix.NFT_MSG_NEWRULE: "rule",
		unix.NFT_MSG_NEWSET: "set", unix.NFT_MSG_NEWSETELEM: "set's elements", unix.NFT_MSG_NEWOBJ: "counter",
	} {
		if kinds[kind] == 0 {
			t.Errorf("no message with the %s", name)
		}
	}
	for _, want := range [][]byte{[]byte("story\x00"), []byte("inward\x00"), []byte("counter\x00"), {4711 >> 8, 4711 & 0xff}} {
		if !bytes.Contains(got.Data, want) {
			t.Errorf("%q is not in the messages", want)
		}
	}
	if text := read(t, path)["nft-text"].Data; !bytes.Contains(text, []byte("chain inward { # handle")) {
		t.Errorf("text of nft:\n%s", text)
	}
}

func TestRulesOfAnotherNamespaceAreNotMixedIn(t *testing.T) {
	mine, other := netnstest.New(t), netnstest.New(t)
	netnstest.Run(t, other, "nft add table ip elsewhere")
	for name, s := range read(t, mine) {
		if bytes.Contains(s.Data, []byte("elsewhere")) {
			t.Errorf("%s holds a table of another namespace", name)
		}
	}
}

func TestIptablesRulesAreReadAsText(t *testing.T) {
	path := netnstest.New(t)
	netnstest.Run(t, path,
		"iptables-nft -A FORWARD -p tcp --dport 4711 -j DROP",
		"ip6tables-nft -A FORWARD -p tcp --dport 4712 -j DROP")
	got := read(t, path)
	for backend, want := range map[string]string{
		"iptables-save":  "[0:0] -A FORWARD -p tcp -m tcp --dport 4711 -j DROP",
		"ip6tables-save": "[0:0] -A FORWARD -p tcp -m tcp --dport 4712 -j DROP",
	} {
		if !strings.Contains(string(got[backend].Data), want) {
			t.Errorf("%s lacks %q:\n%s", backend, want, got[backend].Data)
		}
	}
}

func TestLegacyTablesAreReadWhereTheyAreInUse(t *testing.T) {
	path := netnstest.New(t)
	for name := range read(t, path) {
		if strings.Contains(name, "legacy") {
			t.Errorf("%s was read from an empty namespace", name)
		}
	}
	if _, err := os.Stat("/proc/net/ip_tables_names"); err != nil {
		t.Skip("this kernel has no legacy ip_tables loaded: load it with modprobe iptable_filter")
	}
	netnstest.Run(t, path, "iptables-legacy -A FORWARD -p tcp --dport 4711 -j DROP")
	got := read(t, path)
	filter, ok := got["iptables-legacy filter"]
	if !ok {
		t.Fatalf("got %d rulesets, none of the legacy filter table", len(got))
	}
	if !bytes.HasPrefix(filter.Data, []byte("filter\x00")) {
		t.Errorf("legacy filter table: %d bytes, %.40q…", len(filter.Data), filter.Data)
	}
	if n := binary.NativeEndian.Uint32(filter.Data[80:]); len(filter.Data) != 84+40+int(n) {
		t.Errorf("%d bytes, want 84 + 40 + %d", len(filter.Data), n)
	}
	if _, ok := got["iptables-legacy nat"]; ok {
		t.Error("reading made a table that was not in use")
	}
	if text := got["iptables-legacy-save"].Data; !bytes.Contains(text, []byte("--dport 4711 -j DROP")) {
		t.Errorf("text of iptables-legacy-save:\n%s", text)
	}
}

func TestAChangeIsAnnouncedOnceItIsOver(t *testing.T) {
	path := netnstest.New(t)
	var f *os.File
	netnstest.Do(t, path, func() (err error) {
		f, err = netfilter.Watch()
		return err
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	changes := make(chan time.Time, 100)
	go func() {
		defer close(changes)
		for at := range netfilter.Changes(ctx, f) {
			changes <- at
		}
	}()
	netnstest.Run(t, path, "nft add table ip one ; add table ip two ; add table ip three")
	ended := time.Now()
	if at, ok := <-changes; !ok || at.Before(ended.Add(-time.Second)) {
		t.Fatalf("announced at %v, changed at %v", at, ended)
	}
	select {
	case at := <-changes:
		t.Errorf("one change was announced again at %v", at)
	case <-time.After(200 * time.Millisecond):
	}
	cancel()
	for range changes {
	}
}

func TestSetsOfIPSetAreReadWhereThereAreAny(t *testing.T) {
	path := netnstest.New(t)
	if _, ok := read(t, path)["ipset"]; ok {
		t.Error("ipset was recorded where there is no set")
	}
	if _, err := exec.LookPath("ipset"); err != nil {
		t.Skip("needs ipset: install ipset")
	}
	var many strings.Builder
	many.WriteString("create many hash:ip maxelem 200000\n")
	for i := range 70000 {
		fmt.Fprintf(&many, "add many 10.%d.%d.%d\n", i>>16, i>>8&255, i&255)
	}
	file := filepath.Join(t.TempDir(), "many")
	if err := os.WriteFile(file, []byte(many.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	netnstest.Run(t, path,
		"ipset create blocked hash:net timeout 900 comment",
		"ipset add blocked 203.0.113.0/24 comment scanners",
		"ipset create ports bitmap:port range 0-1024",
		"ipset restore -file "+file)
	first, second := read(t, path)["ipset"], read(t, path)["ipset"]
	for _, want := range [][]byte{[]byte("blocked\x00"), []byte("hash:net\x00"), {203, 0, 113, 0}, []byte("scanners\x00"), []byte("ports\x00"), []byte("many\x00")} {
		if !bytes.Contains(first.Data, want) {
			t.Errorf("%q is not in the messages", want)
		}
	}
	if bytes.Contains(first.Data, []byte{10, 0, 3, 200}) {
		t.Error("70000 entries of a set were kept")
	}
	if len(first.Data) != len(second.Data) {
		t.Errorf("read again, %d bytes have become %d", len(first.Data), len(second.Data))
	}
}

func TestTheNumberOfASetIsAskedForAsIptablesDoes(t *testing.T) {
	path := netnstest.New(t)
	if _, err := exec.LookPath("ipset"); err != nil {
		t.Skip("needs ipset: install ipset")
	}
	netnstest.Run(t, path, "ipset create zero hash:ip", "ipset create one hash:ip")
	netnstest.Do(t, path, func() error {
		for want, name := range []string{"zero", "one"} {
			if got, err := netfilter.IPSetIndex(name); err != nil || int(got) != want {
				t.Errorf("%s has number %d, %v", name, got, err)
			}
		}
		return nil
	})
}

func TestWithoutPrograms(t *testing.T) {
	path := netnstest.New(t)
	netnstest.Run(t, path, "nft add table ip story")
	netfilter.WithoutPrograms(t)
	sets, err := netfilter.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(sets) != 1 || sets[0].Backend != "nft" || !bytes.Contains(sets[0].Data, []byte("story")) {
		t.Errorf("got %d rulesets, want that of nft alone", len(sets))
	}
}
