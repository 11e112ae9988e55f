package redact

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"dnatrace/capture"
	"dnatrace/decode/programs"
)

// filler puts a word of its own into every string of a value, and an address of its
// own into every address.
type filler struct{ n int }

func (f *filler) word() string {
	f.n++
	return fmt.Sprintf("leakme%c%c%c", 'a'+f.n/676%26, 'a'+f.n/26%26, 'a'+f.n%26)
}

func (f *filler) fill(v reflect.Value) {
	switch x := v.Addr().Interface().(type) {
	case *netip.Addr:
		f.n++
		*x = netip.AddrFrom4([4]byte{203, 0, byte(113 + f.n/200), byte(20 + f.n%200)})
		return
	case *netip.Prefix:
		f.n++
		*x = netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, byte(113 + f.n/200), byte(20 + f.n%200)}), 32)
		return
	case *netip.AddrPort:
		f.n++
		*x = netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, byte(113 + f.n/200), byte(20 + f.n%200)}), 80)
		return
	case *[]byte:
		*x = []byte("\x00" + f.word() + " " + f.word() + " 203.0.113.5 of bytes")
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(f.word() + " and " + f.word())
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				f.fill(v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 3 {
			k, e := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			f.fill(k)
			f.fill(e)
			v.SetMapIndex(k, e)
		}
	}
}

var aSecret = regexp.MustCompile(`leakme|203\.0\.11[3-9]\.`)

// TestNoFieldOfARecordPassesWhatIsPutIntoIt fills every field of every kind of record
// that is JSON, those that hold the name of a state included.
func TestNoFieldOfARecordPassesWhatIsPutIntoIt(t *testing.T) {
	for _, kind := range slices.Sorted(maps.Keys(contents)) {
		var f filler
		c := contents[kind]()
		f.fill(reflect.ValueOf(c).Elem())
		data, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		origin, name, _ := strings.Cut(kind, " ")
		rec := capture.Record{Origin: origin, Kind: name, Netns: f.word(), Data: data}
		r := New([]byte("some key"))
		r.Learn(&capture.Batch{Records: []capture.Record{rec}})
		r.Seal()
		got, ok := r.record(rec)
		if !ok {
			t.Errorf("%s: left out", kind)
		}
		text := string(got.Data) + got.Netns
		for _, m := range regexp.MustCompile(`"([A-Za-z0-9+/]{20,}={0,2})"`).FindAllStringSubmatch(text, -1) {
			if b, err := base64.StdEncoding.DecodeString(m[1]); err == nil {
				text += "\n" + string(b)
			}
		}
		if at := aSecret.FindStringIndex(text); at != nil {
			t.Errorf("%s: %q is left in %s", kind, text[max(0, at[0]-40):min(len(text), at[1]+20)], got.Data)
		}
	}
}

// attribute is a netlink attribute.
func attribute(kind int, v []byte) []byte {
	b := binary.LittleEndian.AppendUint16(nil, uint16(4+len(v)))
	b = binary.LittleEndian.AppendUint16(b, uint16(kind))
	b = append(b, v...)
	return append(b, make([]byte, (4-len(b)%4)%4)...)
}

// nested are attributes of all types within each other, so deep, with the secret in
// each.
func nested(depth int, secret []byte) (all [][]byte) {
	for kind := range 30 {
		all = append(all, attribute(kind, secret))
		if depth > 0 {
			for _, in := range nested(depth-1, secret) {
				all = append(all, attribute(kind, in))
			}
		}
	}
	return all
}

func netlinkMessage(subsystem, kind uint8, attrs []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(netlinkHeader+nfgenHeader+len(attrs)))
	b = append(b, kind, subsystem, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0)
	return append(b, attrs...)
}

// TestNoAttributePassesWhatIsPutIntoIt puts a string into every attribute, of any
// type, two deep within others, of every message.
func TestNoAttributePassesWhatIsPutIntoIt(t *testing.T) {
	secret := []byte("leakme of customers\x00")
	all := bytesOf(nested(2, secret))
	for _, c := range []struct {
		what      string
		subsystem uint8
		kinds     []uint8
		rewrite   func(*Redactor, []byte)
	}{
		{"connection tracking", subsystemConntrack, []uint8{0, 1, 2}, (*Redactor).conntrack},
		{"a trace", subsystemNFTables, []uint8{17}, (*Redactor).ruleTrace},
		{"rules", subsystemNFTables, []uint8{0, 3, 6, 9, 12, 15, 18, 22, 30}, (*Redactor).nftRuleset},
		{"sets of ipset", subsystemIPSet, []uint8{ipsetList, ipsetGetByName}, (*Redactor).ipsets},
	} {
		for _, kind := range c.kinds {
			b := netlinkMessage(c.subsystem, kind, all)
			r := New([]byte("some key"))
			r.Seal()
			c.rewrite(r, b)
			if i := strings.Index(string(b), "leakme"); i >= 0 {
				t.Errorf("%s, message %d: it is left at %d: %x", c.what, kind, i, b[max(0, i-16):i+8])
			}
			if len(r.Cleared) == 0 {
				t.Errorf("%s, message %d: nothing is said to have been cleared", c.what, kind)
			}
		}
	}
}

func bytesOf(all [][]byte) (b []byte) {
	for _, one := range all {
		b = append(b, one...)
	}
	return b
}

// TestTheOwnerOfARuleStaysTheSame: whose a rule is rests on names and comments.
func TestTheOwnerOfARuleStaysTheSame(t *testing.T) {
	r := New([]byte("some key"))
	r.Seal()
	for _, name := range []string{
		"DOCKER", "DOCKER-USER", "DOCKER-ISOLATION-STAGE-1", "ufw-user-forward", "ufw6-before-input", "KUBE-SVC-ABCDEFGH", "cali-tw-cali1234", "cali:acme", "CILIUM_INPUT",
		"FLANNEL-FWD", "WEAVE-NPC", "CNI-HOSTPORT-DNAT", "CNI-DN-12acme", "LIBVIRT_FWI", "ts-forward", "f2b-acme", "f2b-sshd", "NETAVARK_FORWARD", "nv_acme_0", "CROWDSEC_CHAIN",
		"sshguard", "netbird-acl-acme", "ZT-acme", "FWDI_acme", "FWDI_acme_deny", "FORWARD_IN_ZONES", "FORWARD_POLICIES_pre", "firewalld", "docker-bridges", "netavark", "kube-proxy",
		"libvirt_network", "incus", "lxd", "crowdsec", "cali40masq-ipam-pools", "inet6:KUBE-ACME", "kube-acme", "weave-acme",
	} {
		to := r.names.ruleName(name)
		if programs.OfChain(to) != programs.OfChain(name) || programs.OfTable(to) != programs.OfTable(name) || programs.OfSet(to) != programs.OfSet(name) {
			t.Errorf("%s of %q is now %s of %q", name, programs.OfChain(name)+programs.OfTable(name)+programs.OfSet(name), to, programs.OfChain(to)+programs.OfTable(to)+programs.OfSet(to))
		}
		if strings.Contains(strings.ToLower(to), "acme") {
			t.Errorf("%s became %s", name, to)
		}
	}
	for _, comment := range []string{"cali:acme", "kubernetes postrouting acme", "acme CNI portfwd acme", "flanneld masq acme", "cilium: acme", "generated for LXD network acme", "ICC"} {
		to := r.names.comment(comment)
		if programs.OfComment(to) != programs.OfComment(comment) || programs.Mark(to) != programs.Mark(comment) {
			t.Errorf("a comment %q of %q is now %q", comment, programs.OfComment(comment), to)
		}
		if strings.Contains(to, "acme") {
			t.Errorf("%q became %q", comment, to)
		}
	}
}

// TestWhatIsToStayStays is of what --keep lists.
func TestWhatIsToStayStays(t *testing.T) {
	r := New([]byte("some key"))
	for _, what := range []string{"web", "198.51.100.0/24", "2001:db8::7", "00:1b:21:01:02:03", "acme-lan"} {
		r.Keep(what)
	}
	r.names.learn("shop-web-1")
	r.names.learnIface("acme-lan")
	r.Seal()
	for _, s := range []string{"198.51.100.77", "2001:db8::7"} {
		if a := netip.MustParseAddr(s); r.addr(a) != a {
			t.Errorf("%v becomes %v", a, r.addr(a))
		}
	}
	if a := netip.MustParseAddr("198.51.101.77"); r.addr(a) == a {
		t.Errorf("%v stays, which nobody asked for", a)
	}
	for was, want := range map[string]string{
		r.macText("00:1b:21:01:02:03"):    "00:1b:21:01:02:03",
		r.iface("acme-lan"):               "acme-lan",
		r.names.name("web"):               "web",
		r.names.ruleName("acme-lan"):      "acme-lan",
		r.names.comment("of web, really"): r.names.comment("of ")[:3] + "web" + r.names.comment("of web, really")[6:],
	} {
		if was != want {
			t.Errorf("%q became %q", want, was)
		}
	}
	if got := r.names.name("shop-web-1"); !strings.HasSuffix(got, "-web-1") || strings.Contains(got, "shop") {
		t.Errorf("shop-web-1 became %q", got)
	}
}

// TestPrintedRulesKeepTheirForm: what is no name and no address stays, so that it
// reads as before.
func TestPrintedRulesKeepTheirForm(t *testing.T) {
	r := New([]byte("some key"))
	r.Seal()
	for _, c := range []struct{ in, want string }{
		{"\t\ttcp dport 8080 redirect to :8081", "\t\ttcp dport 8080 redirect to :8081"},
		{"\t\tct state established,related accept", "\t\tct state established,related accept"},
		{"\t\ttype filter hook forward priority filter - 1; policy drop;", "\t\ttype filter hook forward priority filter - 1; policy drop;"},
		{"-A FORWARD -p tcp -m tcp --dport 80 --tcp-flags FIN,SYN,RST,ACK SYN -j REJECT --reject-with tcp-reset", "-A FORWARD -p tcp -m tcp --dport 80 --tcp-flags FIN,SYN,RST,ACK SYN -j REJECT --reject-with tcp-reset"},
		{"-A FORWARD -m mark ! --mark 0x1/0xffff -m limit --limit 5/min --limit-burst 7 -j MARK --set-xmark 0x2/0xffffffff", "-A FORWARD -m mark ! --mark 0x1/0xffff -m limit --limit 5/min --limit-burst 7 -j MARK --set-xmark 0x2/0xffffffff"},
		{":FORWARD DROP [12:3456]", ":FORWARD DROP [12:3456]"},
		{"\t\t@th,288,32 0xcb00714d drop", "\t\t@th,288,32 0 drop"},
		{"\t\t@nh,96,32 & 0xffffff00 == 0xcb007100 accept", "\t\t@nh,96,32 & 0 == 0 accept"},
	} {
		if got := r.ruleText(c.in); got != c.want {
			t.Errorf("%q\nbecame %q\nwant   %q", c.in, got, c.want)
		}
	}
	for _, in := range []string{
		"-A PREROUTING -p tcp -j DNAT --to-destination [2001:db8::7]:8080", "\t\tdnat to [2001:db8::7]:8080",
	} {
		if got := r.ruleText(in); !strings.HasSuffix(got, "]:8080") || strings.Contains(got, "2001:db8::7") {
			t.Errorf("%q became %q", in, got)
		}
	}
	for _, in := range []string{
		"-A FORWARD -j ACMECHAIN", "-A FORWARD -m acme --acme acme -j DROP", "\t\tacme acme drop", "\t\tiifname \"acme\" drop # acme", ":acme - [0:0]", "\t\tct helper \"acme\" drop",
		"\t\tlog prefix \"acme\" drop", "-A FORWARD --acme-acme 5 -j DROP", "-A INPUT -m string --string acme --algo bm -j DROP", "table inet acme { # handle 4 progname acme",
	} {
		if got := r.ruleText(in); strings.Contains(strings.ToLower(got), "acme") {
			t.Errorf("%q became %q", in, got)
		}
	}
}
