package target

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"dnatrace/capture/engine"

	"github.com/google/go-cmp/cmp"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func on(network, v4 string) []engine.Endpoint {
	return []engine.Endpoint{{Network: network, IPv4: addr(v4)}}
}

func publish(proto string, host, container uint16) []engine.Binding {
	return []engine.Binding{{Proto: proto, Container: container, HostIP: netip.IPv4Unspecified(), HostPort: host}}
}

var shop = engine.Snapshot{Containers: []engine.Container{
	{
		ID: "aa11", Name: "api", State: "running", PID: 10, Mode: "bridge", Endpoints: on("bridge", "172.17.0.3"),
		Mappings: []engine.Binding{{Proto: "tcp", Container: 80, HostIP: addr("127.0.0.1"), HostPort: 9090}},
	},
	{ID: "ab22", Name: "batch", State: "running", PID: 11, Mode: "none", Bindings: publish("tcp", 7000, 80)},
	{
		ID: "bb33", Name: "cache", State: "running", PID: 12, Mode: "bridge", Endpoints: on("bridge", "172.17.0.4"),
		Exposed: []engine.Port{{Proto: "tcp", Port: 6379}},
	},
	{
		ID: "cc44", Name: "edge", State: "running", PID: 13, Mode: "host",
		Exposed: []engine.Port{{Proto: "tcp", Port: 443}}, Bindings: publish("tcp", 8443, 443),
	},
	{
		ID: "dd55", Name: "old", State: "exited", Mode: "bridge", Endpoints: []engine.Endpoint{{Network: "bridge"}},
		Bindings: []engine.Binding{{Proto: "tcp", Container: 80, HostPort: 9001, HostEnd: 9003}},
	},
	{
		ID: "ee66", Name: "pod", State: "running", PID: 14, Mode: "bridge", Endpoints: on("bridge", "172.17.0.5"),
		Mappings: publish("udp", 53, 5353),
	},
	{ID: "ee77", Name: "pod-dns", State: "running", PID: 15, Mode: "container:ee66"},
	{
		ID: "ff88", Name: "shop-web-1", Project: "shop", Service: "web", State: "running", PID: 16, Mode: "shop_default",
		Endpoints: []engine.Endpoint{{Network: "shop_default", IPv4: addr("172.18.0.2"), IPv6: addr("2001:db8:2::2")}},
		Exposed:   []engine.Port{{Proto: "tcp", Port: 80}}, Mappings: publish("tcp", 8080, 80),
	},
	{
		ID: "ff99", Name: "shop-web-2", Project: "shop", Service: "web", State: "running", PID: 17, Mode: "shop_default",
		Endpoints: on("shop_default", "172.18.0.3"), Mappings: publish("tcp", 8081, 80),
	},
}}

func resolve(t *testing.T, args ...string) Resolved {
	t.Helper()
	ts, err := ParseAll(args)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ResolveAll(ts, &shop)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNumberFindsWhatIsBehindItsMapping(t *testing.T) {
	r := resolve(t, "8080")
	if d := cmp.Diff([]Request{{Port: 8080, Anywhere: true}}, r.Requests, addrs); d != "" {
		t.Errorf("requests (-want +got):\n%s", d)
	}
	want := []Backend{
		{Proto: tcp, Addr: addr("172.18.0.2"), Port: 80, Container: "ff88"},
		{Proto: tcp, Addr: addr("2001:db8:2::2"), Port: 80, Container: "ff88"},
	}
	if d := cmp.Diff(want, r.Backends, addrs); d != "" {
		t.Errorf("backends (-want +got):\n%s", d)
	}
	watch := []Container{{
		ID: "ff88", Name: "shop-web-1", Project: "shop", Service: "web", Mode: "shop_default",
		State: "running", PID: 16, Owner: "ff88", Behind: true,
	}}
	if d := cmp.Diff(watch, r.Containers); d != "" {
		t.Errorf("containers (-want +got):\n%s", d)
	}
}

// brief lists the containers a target concerns, those behind it with a star.
func brief(r Resolved) string {
	var s []string
	for _, c := range r.Containers {
		star := ""
		if c.Behind {
			star = "*"
		}
		s = append(s, c.Name+star)
	}
	return strings.Join(s, " ")
}

func ports(r Resolved) []uint16 {
	var all []uint16
	for _, q := range r.Requests {
		all = append(all, q.Port)
	}
	return all
}

func TestTargetsFindTheirContainersAndHostPorts(t *testing.T) {
	for _, row := range []struct {
		story, target, containers string
		ports                     []uint16
	}{
		{"a port that nobody publishes is still a port", "12345", "", []uint16{12345}},
		{"a port that is only exposed finds who declares it", "6379", "cache", []uint16{6379}},
		{"a port published under another number finds who serves it", "80", "api batch old shop-web-1 shop-web-2", []uint16{80}},
		{"a port asked for in vain in mode none", "7000", "batch*", []uint16{7000}},
		{"a host-mode container that declares the port", "443", "edge", []uint16{443}},
		{"a host-mode container with a useless -p", "8443", "edge*", []uint16{8443}},
		{"a port within the range a stopped container wants", "9002", "old*", []uint16{9002}},
		{"the other protocol is not behind it", "8080/udp", "", []uint16{8080}},
		{"a mapping onto a shared namespace finds all who are in it", "53/udp", "pod* pod-dns*", []uint16{53}},
		{"a name finds its host port", "shop-web-1", "shop-web-1*", []uint16{8080}},
		{"an id prefix is a name", "ff8", "shop-web-1*", []uint16{8080}},
		{"a service finds all its containers", "shop/web", "shop-web-1* shop-web-2*", []uint16{8080, 8081}},
		{"a container port finds the host port mapped to it", "shop-web-1:80", "shop-web-1*", []uint16{8080}},
		{"a host port after a name is understood", "shop-web-1:8080", "shop-web-1*", []uint16{8080}},
		{"a port of the container that is not published", "shop-web-1:81", "shop-web-1*", []uint16{81}},
		{"an exposed port is asked for on the host too", "cache", "cache*", []uint16{6379}},
		{"a container in another's namespace has that one's mappings", "pod-dns", "pod* pod-dns*", []uint16{53}},
		{"a host-mode container has the ports it declares", "edge:443", "edge*", []uint16{443, 8443}},
		{"a range finds what is published in it", "8000-8099", "shop-web-1* shop-web-2*", []uint16{8000}},
		{"… and who declares a port of it", "440-450", "edge", []uint16{440}},
		{"… and a stopped container's range that it meets", "9003-9010", "old*", []uint16{9003}},
		{"… of its protocol only", "8000-8099/udp", "", []uint16{8000}},
		{"a project finds the containers of all its services", "shop", "shop-web-1* shop-web-2*", []uint16{8080, 8081}},
		{"… with a star as well", "shop/*", "shop-web-1* shop-web-2*", []uint16{8080, 8081}},
		{"a port of a project", "shop/*:80", "shop-web-1* shop-web-2*", []uint16{8080, 8081}},
		{"a URL finds what is published at its port", "http://shop.example:8080/cart", "shop-web-1*", []uint16{8080}},
		{"localhost is no container", "localhost:9090", "api*", []uint16{9090}},
		{"several are all of them", "8080,9090", "api* shop-web-1*", []uint16{8080, 9090}},
		{"nothing given stands for all that is or should be published", "", "api* batch* edge* old* pod* pod-dns* shop-web-1* shop-web-2*",
			[]uint16{53, 7000, 8080, 8081, 8443, 9001, 9002, 9003, 9090}},
	} {
		t.Run(row.story, func(t *testing.T) {
			var args []string
			if row.target != "" {
				args = []string{row.target}
			}
			r := resolve(t, args...)
			if got := brief(r); got != row.containers {
				t.Errorf("containers %q, want %q", got, row.containers)
			}
			if got := ports(r); !slices.Equal(got, row.ports) {
				t.Errorf("host ports %v, want %v", got, row.ports)
			}
		})
	}
}

func TestMatchSelectsTheTargetsRequests(t *testing.T) {
	const icmp = 1
	for _, row := range []struct {
		story, target string
		proto         uint8
		dst           string
		port          uint16
		want          bool
	}{
		{"a number is selected on any address", "8080", tcp, "198.51.100.1", 8080, true},
		{"… IPv6 included", "8080", tcp, "2001:db8:1::1", 8080, true},
		{"… and of either protocol", "8080", udp, "198.51.100.1", 8080, true},
		{"… and on a container's own address", "8080", tcp, "172.17.0.9", 8080, true},
		{"the container port behind it is not what was asked for", "8080", tcp, "172.18.0.2", 80, false},
		{"a protocol narrows it", "8080/udp", tcp, "198.51.100.1", 8080, false},
		{"an address narrows it", "127.0.0.1:8080", tcp, "198.51.100.1", 8080, false},
		{"an address that fits", "127.0.0.1:8080", tcp, "::ffff:127.0.0.1", 8080, true},
		{"an unspecified address is any of its family", "0.0.0.0:8080", tcp, "198.51.100.1", 8080, true},
		{"… but not of the other", "0.0.0.0:8080", tcp, "2001:db8:1::1", 8080, false},
		{"a range selects its first port", "8000-8010", tcp, "198.51.100.1", 8000, true},
		{"… its last", "8000-8010", tcp, "198.51.100.1", 8010, true},
		{"… and those between", "8000-8010", udp, "198.51.100.1", 8005, true},
		{"… but not the one behind", "8000-8010", tcp, "198.51.100.1", 8011, false},
		{"… nor the one before", "8000-8010", tcp, "198.51.100.1", 7999, false},
		{"… nor another protocol than it says", "8000-8010/udp", tcp, "198.51.100.1", 8005, false},
		{"the range of all ports is any port", "1-65535", tcp, "198.51.100.1", 65535, true},
		{"… but no ping", "1-65535", icmp, "198.51.100.1", 0, false},
		{"a range on one address", "127.0.0.1:8000-8010", tcp, "198.51.100.1", 8005, false},
		{"localhost is loopback", "localhost:8080", tcp, "127.0.0.1", 8080, true},
		{"… all of it", "localhost:8080", tcp, "127.0.1.1", 8080, true},
		{"… of IPv6 too", "localhost:8080", tcp, "::1", 8080, true},
		{"… and nothing else", "localhost:8080", tcp, "198.51.100.1", 8080, false},
		{"a colon before a port changes nothing", ":8080", tcp, "2001:db8:1::1", 8080, true},
		{"a URL's host does not narrow it", "http://192.0.2.7:8080/", tcp, "198.51.100.1", 8080, true},
		{"a project selects its containers' own addresses", "shop", tcp, "172.18.0.3", 81, true},
		{"… and no others", "shop", tcp, "172.17.0.3", 80, false},
		{"a range of a name selects ports of its address", "shop-web-1:80-90", tcp, "172.18.0.2", 85, true},
		{"… and the host port mapped to one of them", "shop-web-1:80-90", tcp, "198.51.100.1", 8080, true},
		{"… and no port outside", "shop-web-1:80-90", tcp, "172.18.0.2", 91, false},
		{"… nor a host port that is another's", "shop-web-1:8080-8090", tcp, "198.51.100.1", 8081, false},
		{"the second of several", "9090,8080", tcp, "198.51.100.1", 8080, true},
		{"a ping has no port", "8080", icmp, "198.51.100.1", 0, false},
		{"a name selects its host port", "shop-web-1", tcp, "198.51.100.1", 8080, true},
		{"… and any port of its own address", "shop-web-1", tcp, "172.18.0.2", 81, true},
		{"… and a ping to it", "shop-web-1", icmp, "172.18.0.2", 0, true},
		{"… on IPv6 too", "shop-web-1", tcp, "2001:db8:2::2", 80, true},
		{"… but not the same port of another container", "shop-web-1", tcp, "172.17.0.3", 8080, false},
		{"a name with a port selects that port only", "shop-web-1:80", tcp, "172.18.0.2", 81, false},
		{"published on loopback and asked for elsewhere", "api", tcp, "198.51.100.1", 9090, true},
		{"no target: a published port", "", tcp, "198.51.100.1", 8081, true},
		{"no target: a port that a stopped container should have", "", tcp, "198.51.100.1", 9003, true},
		{"no target: a port nobody publishes", "", tcp, "198.51.100.1", 22, false},
		{"no target: a container's own address is not a published port", "", tcp, "172.18.0.2", 8080, false},
	} {
		t.Run(row.target+" "+row.story, func(t *testing.T) {
			var args []string
			if row.target != "" {
				args = []string{row.target}
			}
			r := resolve(t, args...)
			if got := r.Match(row.proto, addr(row.dst), row.port); got != row.want {
				t.Errorf("Match(%d, %s, %d) = %v", row.proto, row.dst, row.port, got)
			}
		})
	}
}

func TestOnePortOnTwoHostAddressesStaysApart(t *testing.T) {
	s := engine.Snapshot{Containers: []engine.Container{
		{ID: "a", Name: "a", Mappings: []engine.Binding{{Proto: "tcp", Container: 80, HostIP: addr("198.51.100.1"), HostPort: 80}}},
		{ID: "b", Name: "b", Mappings: []engine.Binding{{Proto: "tcp", Container: 80, HostIP: addr("198.51.100.2"), HostPort: 80}}},
	}}
	r, err := Resolve(Target{Text: "a", Name: "a"}, &s)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Match(tcp, addr("198.51.100.1"), 80) || r.Match(tcp, addr("198.51.100.2"), 80) {
		t.Errorf("a's requests are not told from b's: %+v", r.Requests)
	}
}

func TestWatchOpensEachNamespaceOnceAndNeverTheHosts(t *testing.T) {
	var got []string
	r := resolve(t)
	for _, c := range r.Watch() {
		got = append(got, c.Name)
	}
	want := []string{"api", "pod", "shop-web-1", "shop-web-2"}
	if !slices.Equal(got, want) {
		t.Errorf("watch %v, want %v", got, want)
	}
}

func TestUnknownNameListsNearOnes(t *testing.T) {
	for _, row := range []struct {
		target string
		near   []string
		says   string
	}{
		{"cahce", []string{"cache"}, `no container "cahce": did you mean cache?`},
		{"web", []string{"shop/web", "shop-web-1", "shop-web-2"}, "did you mean shop/web"},
		{"shpo", []string{"shop"}, `no container "shpo": did you mean shop?`},
		{"shpo/*", []string{"shop"}, `no compose project "shpo": did you mean shop?`},
		{"shop/wbe", []string{"shop/web"}, `no compose service "shop/wbe"`},
		{"zzzzzz", []string{"api", "batch", "cache", "edge", "old"}, "there are api"},
	} {
		tg, err := Parse(row.target)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Resolve(tg, &shop)
		var unknown *UnknownError
		if !errors.As(err, &unknown) {
			t.Fatalf("%s: got %v, want an UnknownError", row.target, err)
		}
		if !slices.Equal(unknown.Near, row.near) || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: near %q, error %q", row.target, unknown.Near, err)
		}
	}
}

func TestAmbiguousIDAndMissingEngineSayWhatToDo(t *testing.T) {
	for _, row := range []struct {
		target, says string
		s            *engine.Snapshot
	}{
		{"ee", "ambiguous: pod (ee66), pod-dns (ee77)", &shop},
		{"web", "give the port number", nil},
		{"web:80", "give the port number", nil},
		{"", "give a port number", nil},
	} {
		ts, err := ParseAll(strings.Fields(row.target))
		if err != nil {
			t.Fatal(err)
		}
		_, err = ResolveAll(ts, row.s)
		if err == nil || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%q: got %v, want it to say %q", row.target, err, row.says)
		}
	}
	if _, err := Resolve(Target{Text: "8080", Port: 8080}, nil); err != nil {
		t.Errorf("a number needs no engine: %v", err)
	}
}
