package traceid

import (
	"bufio"
	"encoding/binary"
	"flag"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

var many = flag.Int("ids", 10_000_000, "how many ids to look for collisions in")

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func key(t testing.TB, secret string) *Key {
	t.Helper()
	k, err := New([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

const secret = "a secret of all hosts"

func TestHostsThatSeeTheSameRequestGiveItTheSameID(t *testing.T) {
	here, there := key(t, secret), key(t, secret)
	if here.Check() != there.Check() || len(here.Check()) != 8 {
		t.Errorf("the same secret is %s and %s", here.Check(), there.Check())
	}
	id := func(d, _ ID) string { return d.String() }
	// The router has another address and port for both ends: they are not in it.
	syn := Connection{ISN: 0xdeadbeef, Stamp: 77, Stamped: true, Client: 50110, At: noon}
	masked := Connection{ISN: 0xdeadbeef, Stamp: 77, Stamped: true, Client: 1024, At: noon.Add(time.Hour)}
	if a, b := id(here.Connection(syn)), id(there.Connection(masked)); a != b || len(a) != 32 {
		t.Errorf("a connection is %s here and %s behind a router", a, b)
	}
	asked := Datagram{Protocol: 17, Client: netip.MustParseAddrPort("198.51.100.100:5353"), Payload: []byte("who is there"), At: noon.Add(5 * time.Second)}
	mapped := asked
	mapped.Client, mapped.At = netip.MustParseAddrPort("[::ffff:198.51.100.100]:5353"), asked.At.Add(time.Millisecond)
	if a, b := id(here.Datagram(asked)), id(there.Datagram(mapped)); a != b {
		t.Errorf("a datagram is %s and %s", a, b)
	}
	long := asked
	long.Payload = append(slices.Clone(asked.Payload), make([]byte, 200)...)
	cut := asked
	cut.Payload = long.Payload[:100]
	if a, b := id(here.Datagram(long)), id(there.Datagram(cut)); a != b {
		t.Errorf("a datagram that one host cut is %s and %s", a, b)
	}
}

func TestWhatDiffersHasAnotherID(t *testing.T) {
	k := key(t, secret)
	seen := map[ID]string{}
	none := func(name string, d ID) {
		if d == (ID{}) || d.String() == "" {
			t.Errorf("%s has no id", name)
		}
		if other, ok := seen[d]; ok {
			t.Errorf("%s has the id of %s", name, other)
		}
		seen[d] = name
	}
	c := func(name string, c Connection) { d, _ := k.Connection(c); none(name, d) }
	g := func(name string, p Datagram) { d, _ := k.Datagram(p); none(name, d) }
	at := noon.Add(5 * time.Second)
	c("a connection", Connection{ISN: 1, Stamp: 2, Stamped: true})
	c("another sequence number", Connection{ISN: 2, Stamp: 2, Stamped: true})
	c("another time stamp", Connection{ISN: 1, Stamp: 1, Stamped: true})
	c("none", Connection{ISN: 1, Stamp: 2, Client: 3, At: at})
	c("none, and another port", Connection{ISN: 1, Client: 4, At: at})
	c("none, a minute later", Connection{ISN: 1, Client: 3, At: at.Add(time.Minute)})
	client := netip.MustParseAddrPort("198.51.100.100:5353")
	g("a datagram", Datagram{Protocol: 17, Client: client, Payload: []byte("x"), At: at})
	g("of another client", Datagram{Protocol: 17, Client: netip.MustParseAddrPort("198.51.100.101:5353"), Payload: []byte("x"), At: at})
	g("of another port", Datagram{Protocol: 17, Client: netip.MustParseAddrPort("198.51.100.100:5354"), Payload: []byte("x"), At: at})
	g("with another payload", Datagram{Protocol: 17, Client: client, Payload: []byte("y"), At: at})
	g("with none", Datagram{Protocol: 17, Client: client, At: at})
	g("of another protocol", Datagram{Protocol: 132, Client: client, Payload: []byte("x"), At: at})
	g("a minute later", Datagram{Protocol: 17, Client: client, Payload: []byte("x"), At: at.Add(time.Minute)})
	other := key(t, secret+".")
	d, _ := other.Connection(Connection{ISN: 1, Stamp: 2, Stamped: true})
	none("with another secret", d)
	if other.Check() == k.Check() {
		t.Error("another secret looks like this one")
	}
}

func TestHostsWhoseClocksDifferFindEachOther(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	here, there := key(t, secret), key(t, secret)
	edges := 0
	const tries = 20_000
	for range tries {
		p := Datagram{Protocol: 17, Client: netip.MustParseAddrPort("198.51.100.100:5353"), Payload: []byte("x"), At: noon.Add(time.Duration(r.Int64N(int64(time.Hour))))}
		id, also := here.Datagram(p)
		p.At = p.At.Add(time.Duration(r.Int64N(2*int64(Skew))) - Skew)
		other, also2 := there.Datagram(p)
		if id != other {
			edges++
			if also != other || also2 != id {
				t.Fatalf("%s elsewhere is %s, or %s, and neither leads to the other", id, other, also)
			}
		}
	}
	if share := float64(edges) / tries; share < 0.03 || share > 0.1 {
		t.Errorf("%.1f %% are at an edge, want about 6", share*100)
	}
}

func TestAShortSecretIsRefused(t *testing.T) {
	if _, err := New(make([]byte, Shortest-1)); err == nil {
		t.Error("a secret of 15 bytes is taken")
	}
}

// heads are the first halves of ids, on disk, apart by their first bits: of any number
// of them one part is in memory at a time.
type heads struct {
	t     *testing.T
	files []*os.File
	parts []*bufio.Writer
}

// partBits tell parts apart.
const partBits = 7

func newHeads(t *testing.T) *heads {
	h := &heads{t: t}
	dir := t.TempDir()
	for n := range 1 << partBits {
		f, err := os.Create(filepath.Join(dir, strconv.Itoa(n)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		h.files, h.parts = append(h.files, f), append(h.parts, bufio.NewWriter(f))
	}
	return h
}

func (h *heads) add(d ID) {
	if _, err := h.parts[d[0]>>(8-partBits)].Write(d[:8]); err != nil {
		h.t.Fatal(err)
	}
}

// equals counts pairs that are the same in their first bits, of one number of bits or
// another.
func (h *heads) equals(bits ...int) []int {
	pairs := make([]int, len(bits))
	for n, f := range h.files {
		if err := h.parts[n].Flush(); err != nil {
			h.t.Fatal(err)
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			h.t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		if err != nil {
			h.t.Fatal(err)
		}
		part := make([]uint64, len(b)/8)
		for i := range part {
			part[i] = binary.BigEndian.Uint64(b[8*i:])
		}
		slices.Sort(part)
		for k, of := range bits {
			pairs[k] += equals(part, of)
		}
	}
	return pairs
}

// equals counts pairs of what is sorted that are the same in their first bits.
func equals(sorted []uint64, bits int) (pairs int) {
	run := 1
	for i := 1; i < len(sorted); i++ {
		if (sorted[i]^sorted[i-1])>>(64-bits) != 0 {
			run = 1
			continue
		}
		pairs += run
		run++
	}
	return pairs
}

func TestEqualsAreFound(t *testing.T) {
	h := newHeads(t)
	for _, d := range []ID{{1, 2}, {200}, {1, 2}, {1, 2, 1}, {1, 2}, {200, 0, 0, 0, 0, 0, 0, 1}} {
		h.add(d)
	}
	if got := h.equals(64, 16); !slices.Equal(got, []int{3, 7}) {
		t.Errorf("pairs are %v", got)
	}
}

// TestCollisions holds the bound of docs/TRACEID.md against ids. What is compared is
// the first half of each: had whole ids collided, halves would.
func TestCollisions(t *testing.T) {
	n := *many
	if testing.Short() {
		n = min(n, 1_000_000)
	}
	k := key(t, secret)
	t.Run("clients everywhere", func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		ids := newHeads(t)
		for range n {
			d, _ := k.Connection(Connection{ISN: r.Uint32(), Stamp: r.Uint32(), Stamped: true})
			ids.add(d)
		}
		pairs := float64(n) * float64(n-1) / 2
		// So few bits that there must be some: that they are found, and as many as
		// there would be of numbers drawn at random.
		const few = 36
		got := ids.equals(64, few)
		want := pairs / (1 << few)
		if math.Abs(float64(got[1])-want) > 6*math.Sqrt(want)+1 {
			t.Errorf("%d of %d ids collide in %d bits, want about %.0f", got[1], n, few, want)
		} else {
			t.Logf("%d ids: %d pairs are equal in their first %d bits, where %.1f were to be expected", n, got[1], few, want)
		}
		most := pairs / (1 << 63)
		t.Logf("%d ids: %d collide; expected are %.1e", n, got[0], most)
		if got[0] > 0 && most < 0.01 {
			t.Errorf("%d of %d ids collide, expected are %.1e", got[0], n, most)
		}
	})
	t.Run("one client asks one server, 100,000 times a second", func(t *testing.T) {
		// As Linux does: the sequence number is random of each 4-tuple, plus a clock of
		// 64 ns; the time stamp is one offset of both addresses, plus milliseconds.
		r := rand.New(rand.NewPCG(5, 6))
		offset := r.Uint32()
		ids := newHeads(t)
		for i := range n {
			ns := uint64(i) * 10_000
			d, _ := k.Connection(Connection{ISN: r.Uint32() + uint32(ns>>6), Stamp: offset + uint32(ns/1_000_000), Stamped: true})
			ids.add(d)
		}
		want := float64(n) * 99 / 2 / (1 << 32) // each with the others of its millisecond
		got := ids.equals(64)[0]
		t.Logf("%d ids: %d collide; expected are %.2f", n, got, want)
		if float64(got) > want+6*math.Sqrt(want)+1 {
			t.Errorf("%d of %d ids collide, expected are %.2f", got, n, want)
		}
	})
}

func BenchmarkConnection(b *testing.B) {
	k := key(b, secret)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		k.Connection(Connection{ISN: uint32(i), Stamp: 7, Stamped: true})
	}
}
