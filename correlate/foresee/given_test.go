package foresee_test

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"dnatrace/capture/inputs"
	"dnatrace/capture/target"
	"dnatrace/correlate"
	"dnatrace/correlate/foresee"
)

// stock is a host with one container, web, whose port 80 is published as 8080, as
// tools print it: one file of each kind.
func stock(t testing.TB) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	root := os.DirFS("testdata/stock")
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(root, path)
		out[path] = &fstest.MapFile{Data: b}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// only leaves files of some beginnings.
func only(dumps fstest.MapFS, beginnings ...string) fstest.MapFS {
	out := maps.Clone(dumps)
	maps.DeleteFunc(out, func(path string, _ *fstest.MapFile) bool {
		return !slices.ContainsFunc(beginnings, func(b string) bool { return strings.HasPrefix(path, b) })
	})
	return out
}

// without leaves files of some beginnings out.
func without(dumps fstest.MapFS, beginnings ...string) fstest.MapFS {
	out := maps.Clone(dumps)
	maps.DeleteFunc(out, func(path string, _ *fstest.MapFile) bool {
		return slices.ContainsFunc(beginnings, func(b string) bool { return strings.HasPrefix(path, b) })
	})
	return out
}

// edited replaces text in a file that has to hold it.
func edited(t testing.TB, dumps fstest.MapFS, path, old, by string) fstest.MapFS {
	t.Helper()
	out := maps.Clone(dumps)
	text := string(out[path].Data)
	if !strings.Contains(text, old) {
		t.Fatalf("%s does not hold %q", path, old)
	}
	out[path] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(text, old, by))}
	return out
}

// dumped is the state that files tell of.
func dumped(t testing.TB, dumps fstest.MapFS) *correlate.State {
	t.Helper()
	s := correlate.NewState()
	if len(dumps) == 0 {
		return s
	}
	in, err := inputs.OpenFS(dumps, inputs.Input{Path: "."})
	if err != nil {
		t.Fatal(err)
	}
	for b, err := range in.Source(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		s.Read(b.Records)
	}
	return s
}

// explained are the paths to a port of the host, by where they come from and the
// family.
func explained(t testing.TB, dumps fstest.MapFS, port uint16) map[string]foresee.Path {
	t.Helper()
	s := dumped(t, dumps)
	out := map[string]foresee.Path{}
	e, err := foresee.Explain(s, []target.Target{{Text: fmt.Sprint(port), Port: port}}, foresee.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range e.Paths {
		family := "4"
		if strings.HasPrefix(p.Requested, "[") {
			family = "6"
		}
		out[p.From+family] = p
	}
	return out
}

func TestExplainSaysWhatWasNotGiven(t *testing.T) {
	all := stock(t)
	for _, c := range []struct {
		name  string
		dumps fstest.MapFS
		from  string
		want  string // verdict cause via
		blind string // what is said to be missing; "" for nothing of the host's
	}{
		{"everything", all, "outside4", "delivered none dnat", ""},
		{"everything, by IPv6", all, "outside6", "delivered none proxy", ""},
		{"everything, on loopback", all, "loopback4", "delivered none proxy", ""},

		{"inspect and addresses alone: no routes, which is not none", only(all, "inspect", "addr"), "outside4", "undetermined unknown", "the routes of the host (IPv4) are not in evidence"},
		{"inspect, addresses and the rules of IPv6: those of IPv4 are not empty", only(all, "inspect", "addr", "rules6"), "outside4", "undetermined unknown", "the rules of the host (IPv4) are not in evidence"},
		{"the same, by IPv6: who listens is not in evidence", only(all, "inspect", "addr", "rules6"), "outside6", "undetermined unknown", "the TCP sockets of the host are not in evidence"},
		{"the rules of IPv4 are missing", without(all, "rules4"), "outside4", "undetermined unknown", "the rules of the host (IPv4) are not in evidence"},
		{"the rules of IPv4 are missing, which is nothing to docker-proxy's clients by IPv6, but to docker-proxy", without(all, "rules4"), "outside6", "undetermined unknown", "the rules of the host (IPv4) are not in evidence"},
		{"the rules of IPv6 are missing", without(all, "rules6"), "outside4", "delivered none dnat", ""},
		{"the rules of IPv6 are missing, and it comes by IPv6", without(all, "rules6"), "outside6", "undetermined unknown", "the rules of the host (IPv6) are not in evidence"},
		{"the sockets of the host are missing, and NAT needs none", without(all, "ss"), "outside4", "delivered none dnat", ""},
		{"the sockets of the host are missing, and who serves loopback is among them", without(all, "ss"), "loopback4", "undetermined unknown", "the TCP sockets of the host are not in evidence"},
		{"the routes of IPv4 are missing", without(all, "route4"), "outside4", "undetermined unknown", "the routes of the host (IPv4) are not in evidence"},
		{"the routes of IPv6 are missing", without(all, "route6"), "outside4", "delivered none dnat", ""},
		{"the addresses are missing: the local table has them", without(all, "addr"), "outside4", "delivered none dnat", ""},
		{"the addresses are missing, and the local table", edited(t, without(all, "addr"), "route4.json", `"table": "local"`, `"table": "77"`), "outside4", "undetermined unknown", ""},
		{"inspect is missing", without(all, "inspect", "networks"), "outside4", "undetermined unknown", "what the engine publishes is not in evidence"},
		{"the networks are missing, and the container tells of its own", without(all, "networks"), "outside4", "delivered none dnat", ""},
		{"the neighbours are missing", without(all, "neigh"), "outside4", "delivered none dnat", ""},
		{"the settings are missing: forwarding may be off", without(all, "sysctl"), "outside4", "undetermined unknown", "net.ipv4.ip_forward of the host is not in evidence"},
		{"the container's namespace is missing", without(all, "web"), "outside4", "undetermined unknown", "the namespace of web is not in evidence"},
		{"the container's sockets are missing", without(all, "web/ss"), "outside4", "undetermined unknown", "the TCP sockets of web are not in evidence"},
		{"the container's rules are missing", without(all, "web/rules"), "outside4", "undetermined unknown", "the rules of web (IPv4) are not in evidence"},
		{"the container's routes are missing", without(all, "web/route"), "outside4", "undetermined unknown", "the routes of web (IPv4) are not in evidence"},
		{"a route is cut off", edited(t, all, "route4.json", `"dev": "lo"`, `"dev`), "outside4", "undetermined unknown", "the routes of the host (IPv4) are in evidence: the dump is damaged"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, ok := explained(t, c.dumps, 8080)[c.from]
			if !ok {
				t.Fatal("nothing is said of that path")
			}
			if got := strings.TrimSpace(fmt.Sprintf("%s %s %s", p.Verdict, p.Cause, p.Via)); got != c.want && !(p.Verdict == correlate.Undetermined && strings.HasPrefix(got, c.want)) {
				t.Errorf("%s, want %s\nwhy: %s\nblind: %q", got, c.want, p.Why, p.Blind)
			}
			if c.blind != "" && !strings.Contains(strings.Join(p.Blind, "\n"), c.blind) {
				t.Errorf("blind %q, want %q in it", p.Blind, c.blind)
			}
		})
	}
}

// What says no has to get out itself: it meets the rules for what the host sends.
func TestARefusalThatDoesNotGetOutIsADrop(t *testing.T) {
	all := stock(t)
	const user, output = "-A FORWARD -j DOCKER-USER\n", ":OUTPUT ACCEPT [0:0]\n:DOCKER - [0:0]\n:DOCKER-USER"
	silent := func(d fstest.MapFS) fstest.MapFS {
		return edited(t, d, "rules4.txt", output, strings.Replace(output, "ACCEPT", "DROP", 1))
	}
	reset := "-j REJECT --reject-with tcp-reset\n"
	input := func(d fstest.MapFS, how string) fstest.MapFS {
		return edited(t, d, "rules4.txt", user, "-A INPUT -p tcp --dport 22 "+how+user)
	}
	related := func(d fstest.MapFS) fstest.MapFS {
		return edited(t, d, "rules4.txt", user, "-A OUTPUT -m conntrack --ctstate RELATED -j ACCEPT\n"+user)
	}
	for _, c := range []struct {
		name  string
		dumps fstest.MapFS
		port  uint16
		want  string
	}{
		{"a rule's reset gets out", input(all, reset), 22, "refused firewall-reject input"},
		{"OUTPUT lets nothing out", silent(input(all, reset)), 22, "dropped firewall-drop input"},
		{"nor an error of ICMP", silent(input(all, "-j REJECT\n")), 22, "dropped firewall-drop input"},
		{"it is related to what it answers, and that is let out", related(silent(input(all, reset))), 22, "refused firewall-reject input"},
		{"a rule of FORWARD sends its reset by OUTPUT as well", silent(edited(t, all, "rules4.txt", user, user+"-A DOCKER-USER -p tcp --dport 80 "+reset)), 8080, "dropped firewall-drop forward"},
		{"nothing listens, and the kernel's own reset gets out", all, 9999, "refused not-published host"},
		{"or does not", silent(all), 9999, "dropped firewall-drop reply-output"},
		{"it is no new connection, and related to none", related(silent(all)), 9999, "dropped firewall-drop reply-output"},
	} {
		p := explained(t, c.dumps, c.port)["outside4"]
		if got := fmt.Sprintf("%s %s %s", p.Verdict, p.Cause, p.Stage); got != c.want {
			t.Errorf("%s: %s, want %s\n%s\n%q", c.name, got, c.want, p.Why, p.Blind)
		}
	}
}

// rootless is the stock host with an engine that works in a namespace of its own.
func rootless(t testing.TB) fstest.MapFS {
	out := without(stock(t), "web", "link", "addr", "route", "rules", "ss", "neigh")
	out["addr.json"] = &fstest.MapFile{Data: []byte(`[
		{"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP","LOWER_UP"],"mtu":65536,"link_type":"loopback","addr_info":[{"local":"127.0.0.1","prefixlen":8}]},
		{"ifindex":2,"ifname":"eth0","flags":["UP","LOWER_UP"],"mtu":1500,"link_type":"ether","address":"52:54:00:00:00:01","addr_info":[{"local":"198.51.100.1","prefixlen":24}]}]`)}
	out["route.json"] = &fstest.MapFile{Data: []byte(`[{"dst":"default","gateway":"198.51.100.254","dev":"eth0"},{"dst":"198.51.100.0/24","dev":"eth0","prefsrc":"198.51.100.1"}]`)}
	out["rules.txt"] = &fstest.MapFile{Data: []byte("*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n")}
	out["ss.txt"] = &fstest.MapFile{Data: []byte("Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port Process\ntcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:((\"sshd\",pid=1,fd=3))\ntcp LISTEN 0 4096 *:8080 *:* users:((\"rootlesskit\",pid=2201,fd=12))\n")}
	return out
}

// An engine that works elsewhere serves what it publishes by its port driver, and
// has no rules here that could be missing.
func TestTheEngineOfAnotherNamespaceIsNotMissedHere(t *testing.T) {
	for _, c := range []struct {
		name  string
		dumps fstest.MapFS
		from  string
		want  string
		blind string
	}{
		{"its port driver listens", rootless(t), "outside4", "undetermined unknown proxy web", "the engine works in another network namespace: docker0 is not in this one"},
		{"nothing listens for it", edited(t, rootless(t), "ss.txt", "*:8080", "*:8081"), "outside4", "undetermined unknown  web", "the engine works in another network namespace: docker0 is not in this one"},
		{"another process has the port", edited(t, rootless(t), "ss.txt", "rootlesskit", "nginx"), "outside4", "misdelivered port-taken host web", ""},
		{"containers ask each other there, not here", rootless(t), "same-network4", "undetermined unknown direct web", "docker0 is not in this one"},
		{"a process of that name has the port of an engine that works here", edited(t, edited(t, stock(t), "ss.txt", "docker-proxy", "rootlesskit"), "rules4.txt", "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80\n", ""),
			"outside4", "misdelivered port-taken host web", ""},
	} {
		p := explained(t, c.dumps, 8080)[c.from]
		if got := fmt.Sprintf("%s %s %s %s", p.Verdict, p.Cause, p.Via, p.Container); got != c.want || !strings.Contains(strings.Join(p.Blind, "\n"), c.blind) {
			t.Errorf("%s: %s, want %s\n%s\n%q", c.name, got, c.want, p.Why, p.Blind)
		}
	}
}

// faults are what may be wrong with the stock host.
func faults(t testing.TB) map[string]fstest.MapFS {
	all := stock(t)
	drop := "-A FORWARD -j DOCKER-USER\n"
	input := ":OUTPUT ACCEPT [0:0]\n:DOCKER - [0:0]\n:DOCKER-USER"
	return map[string]fstest.MapFS{
		"nothing":                            all,
		"a rule of somebody's drops":         edited(t, all, "rules4.txt", drop, drop+"-A DOCKER-USER -p tcp --dport 80 -j DROP\n"),
		"a rule of somebody's rejects":       edited(t, all, "rules4.txt", drop, drop+"-A DOCKER-USER -p tcp --dport 80 -j REJECT --reject-with tcp-reset\n"),
		"the engine's rules are gone":        edited(t, all, "rules4.txt", "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80\n", ""),
		"INPUT rejects":                      edited(t, edited(t, all, "rules4.txt", input, ":OUTPUT ACCEPT [0:0]\n:DOCKER - [0:0]\n:DOCKER-USER"), "rules4.txt", drop, "-A INPUT -p tcp --dport 8080 -j REJECT --reject-with tcp-reset\n"+drop),
		"the server listens on loopback":     edited(t, all, "web/ss.txt", "0.0.0.0:80 ", "127.0.0.1:80 "),
		"the server listens elsewhere":       edited(t, all, "web/ss.txt", "0.0.0.0:80 ", "0.0.0.0:81 "),
		"a firewall in the container drops":  edited(t, all, "web/rules4.txt", ":INPUT ACCEPT", ":INPUT DROP"),
		"the container has no default route": edited(t, all, "web/route4.json", `"default"`, `"203.0.112.0/24"`),
		"forwarding is off":                  edited(t, all, "sysctl.txt", "ip_forward = 1", "ip_forward = 0"),
		"the way back is another":            edited(t, edited(t, all, "sysctl.txt", "eth0.rp_filter = 0", "eth0.rp_filter = 1"), "route4.json", `"gateway": "198.51.100.254"`, `"gateway": "172.17.0.9"`),
		"the container is paused":            edited(t, all, "inspect.json", `"Status": "running"`, `"Status": "paused"`),
		"the container has exited":           edited(t, all, "inspect.json", `"Status": "running"`, `"Status": "exited"`),
		"no route leads to the container":    edited(t, all, "route4.json", `"dst": "172.17.0.0/16"`, `"dst": "172.18.0.0/16"`),
		"a process has the port":             edited(t, edited(t, all, "ss.txt", "docker-proxy", "nginx"), "rules4.txt", "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80\n", ""),
	}
}

// general are the causes that a finer one becomes where less is known.
var general = map[correlate.Cause]correlate.Cause{
	correlate.CauseRulesMissing:    correlate.CauseFirewallDrop,
	correlate.CauseRoutedElsewhere: correlate.CauseFirewallDrop,
}

// Whatever is taken away, an answer becomes less or stays: no other failure is
// found in what is not there, and nothing that failed is said to work.
func TestLessEvidenceNeverChangesWhatExplainSays(t *testing.T) {
	for name, full := range faults(t) {
		t.Run(name, func(t *testing.T) {
			files := slices.Sorted(maps.Keys(full))
			want := explained(t, full, 8080)
			check := func(left fstest.MapFS, gone ...string) {
				for from, less := range explained(t, left, 8080) {
					more, ok := want[from]
					if ok && less.Verdict != correlate.Undetermined && (less.Verdict != more.Verdict || less.Cause != more.Cause && less.Cause != correlate.CauseUnknown && less.Cause != general[more.Cause]) &&
						!(more.Verdict == correlate.Misdelivered && less.Verdict == correlate.Delivered) {
						t.Errorf("from %s, without %v: %s %s, which was %s %s (%s)\n%s", from, gone, less.Verdict, less.Cause, more.Verdict, more.Cause, more.Why, less.Why)
					}
				}
			}
			for i, a := range files {
				check(without(full, a), a)
				if testing.Short() {
					continue
				}
				check(only(full, a, "inspect"), "all but "+a)
				for _, b := range files[i+1:] {
					check(without(full, a, b), a, b)
				}
			}
			check(without(full, "web"), "web")
		})
	}
}
