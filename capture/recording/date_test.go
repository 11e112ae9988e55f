package recording

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"dnatrace/capture"
)

const (
	hour  = int64(3600e9)
	day   = 24 * hour
	year  = 365 * day
	boot  = int64(60e9) // a minute after a host without a clock came up
	y2038 = int64(1<<31) * 1e9
)

// from are n times a second apart.
func from(t int64, n int) (out []int64) {
	for i := range n {
		out = append(out, t+int64(i)*1e9)
	}
	return out
}

// at is a capture of packets at these times.
func at(times []int64) []byte {
	m := little()
	m.section().iface(1, "eth0", m.option(optResolution, []byte{9}))
	for _, t := range times {
		m.packet(0, uint64(t), "x")
	}
	return m.b
}

// datesOf are the times of packets as they are handed out, and how many were
// replaced. It checks that no batch promises more than its own packets say.
func datesOf(t *testing.T, r io.Reader) (got []int64, misdated uint64) {
	t.Helper()
	source, info, err := OpenReader(r, "x")
	if err != nil {
		t.Fatal(err)
	}
	for b, err := range source(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range b.Packets {
			got = append(got, p.Time)
		}
		if len(got) > 0 && b.Until > slices.Max(got) {
			t.Errorf("after %d packets, none of them later than %d, nothing is to come before %d", len(got), slices.Max(got), b.Until)
		}
	}
	return got, info.Files[0].Misdated
}

func TestATimeFarOffThoseAroundItIsNotBelieved(t *testing.T) {
	const absurdly = math.MaxInt64 // as the year 2500 is read
	two := func(a, b int64) []int64 { return []int64{a, b} }
	for name, tc := range map[string]struct {
		times, want []int64
		misdated    uint64
	}{
		"one of the year 2500":           {slices.Concat(from(noon, 3), []int64{absurdly}, from(noon+3e9, 3)), slices.Concat(from(noon, 3), from(noon+2e9, 4)), 1},
		"one of 1970":                    {slices.Concat(from(noon, 3), []int64{0}, from(noon+3e9, 3)), slices.Concat(from(noon, 3), from(noon+2e9, 4)), 1},
		"one two hours ahead":            {slices.Concat(from(noon, 3), []int64{noon + 2*hour}, from(noon+3e9, 3)), slices.Concat(from(noon, 3), from(noon+2e9, 4)), 1},
		"two, each of another century":   {slices.Concat(from(noon, 3), two(0, absurdly), from(noon+3e9, 2)), slices.Concat(from(noon, 3), two(noon+2e9, noon+2e9), from(noon+3e9, 2)), 2},
		"the first":                      {append([]int64{y2038}, from(noon, 3)...), slices.Concat([]int64{noon}, from(noon, 3)), 1},
		"the first, of 1970":             {append([]int64{0}, from(noon, 3)...), slices.Concat([]int64{noon}, from(noon, 3)), 1},
		"the first, of no year at all":   {append([]int64{absurdly}, from(noon, 1)...), two(noon, noon), 1},
		"the last":                       {append(from(noon, 3), y2038), append(from(noon, 3), noon+2e9), 1},
		"all of no year at all":          {two(absurdly, absurdly), two(1, 1), 2},
		"at the end of a batch":          {slices.Concat(from(noon, 255), []int64{y2038}, from(noon+255e9, 9)), slices.Concat(from(noon, 255), from(noon+254e9, 10)), 1},
		"one packet before that":         {slices.Concat(from(noon, 254), []int64{y2038}, from(noon+254e9, 9)), slices.Concat(from(noon, 254), from(noon+253e9, 10)), 1},
		"the first of a batch":           {slices.Concat(from(noon, 256), []int64{y2038}, from(noon+256e9, 9)), slices.Concat(from(noon, 256), from(noon+255e9, 10)), 1},
		"a capture begun at 0":           {from(0, 4), from(0, 4), 0},
		"one packet":                     {[]int64{y2038}, []int64{y2038}, 0},
		"two packets a year apart":       {two(noon, noon+year), two(noon, noon), 1},
		"a clock set after boot":         {append(from(boot, 4), from(noon, 4)...), append(from(boot, 4), from(noon, 4)...), 0},
		"a clock set at a batch's end":   {append(from(boot, 255), from(noon, 4)...), append(from(boot, 255), from(noon, 4)...), 0},
		"an older capture laid behind":   {append(from(noon, 4), from(noon-year, 4)...), append(from(noon, 4), from(noon-year, 4)...), 0},
		"a night without a packet":       {append(from(noon, 3), from(noon+10*hour, 1)...), append(from(noon, 3), from(noon+10*hour, 1)...), 0},
		"a packet every two hours":       {[]int64{noon, noon + 2*hour, noon + 4*hour, noon + 6*hour}, []int64{noon, noon + 2*hour, noon + 4*hour, noon + 6*hour}, 0},
		"a few packets out of order":     {[]int64{noon, noon + 9, noon + 5, noon + 7}, []int64{noon, noon + 9, noon + 5, noon + 7}, 0},
		"one two hours late in sparse":   {[]int64{noon, noon + 3*hour, noon + 6*hour}, []int64{noon, noon + 3*hour, noon + 6*hour}, 0},
		"a second interface's own clock": {[]int64{noon, noon + 2*year, noon + 1e9, noon + 2*year + 1e9, noon + 2e9}, []int64{noon, noon, noon + 1e9, noon + 1e9, noon + 2e9}, 2},
	} {
		file := at(tc.times)
		for how, r := range map[string]io.Reader{"at once": bytes.NewReader(file), "byte by byte": iotest.OneByteReader(bytes.NewReader(file))} {
			got, misdated := datesOf(t, r)
			if d := cmp.Diff(tc.want, got); d != "" || misdated != tc.misdated {
				t.Errorf("%s, read %s: %d not believed, want %d\n%s", name, how, misdated, tc.misdated, d)
			}
		}
	}
}

func TestWhatFollowsAnAbsurdTimeIsReadOnce(t *testing.T) {
	m := little()
	m.section().iface(1, "eth0").packet(0, uint64(noon/1000), "a").packet(0, uint64(y2038/1000), "b").
		iface(1, "docker0").block(0xBAD, m.u32(1)).packet(9, 1, "of no interface").block(blockSimple, m.u32(1), []byte("c")).
		packet(1, uint64(noon/1000), "d")
	got, info := mustTell(t, "x", m.b)
	want := []sighted{{noon, 0, 0, 1, "a"}, {noon, 0, 0, 1, "b"}, {noon, 0, 0, 1, "c"}, {noon, 1, 0, 1, "d"}}
	if d := cmp.Diff(want, got.packets()); d != "" {
		t.Error(d)
	}
	f := info.Files[0]
	if f.Packets != 4 || f.Skipped != 1 || f.Malformed != 1 || f.Untimed != 1 || f.Misdated != 1 || len(points(t, got)) != 2 {
		t.Errorf("%+v", *f)
	}
	told := "1 times in x are far off those before and after, which are taken instead"
	if d := got.damage(t); !slices.Contains(d, told) {
		t.Errorf("damage %q", d)
	}
}

// The records of a recording have their times in its text.
func TestAnAbsurdRecordIsNotBelievedEither(t *testing.T) {
	file := write(t, incident())
	for _, year := range []string{"9", "7"} {
		bad := []byte(strings.Replace(string(file), fmt.Sprintf("%s=%d", fieldTime, noon), fmt.Sprintf("%s=%s%d", fieldTime, year, noon)[:len(fieldTime)+1+19], 1))
		if bytes.Equal(bad, file) {
			t.Fatal("no record was changed")
		}
		got, info := mustTell(t, "x", bad)
		for _, x := range got {
			if r, ok := x.(spoken); ok && r.Time > noon+hour {
				t.Errorf("a record is of %d: %v", r.Time, r)
			}
		}
		if info.Files[0].Misdated != 1 {
			t.Errorf("%d times were not believed, want 1", info.Files[0].Misdated)
		}
	}
}

// Who puts a stream in order keeps what is later than what was promised.
func TestTimesThatStandStillPromiseSomething(t *testing.T) {
	for name, time := range map[string]int64{"of the epoch": 0, "of noon": noon} {
		head := at(nil)
		file := append(head, bytes.Repeat(at([]int64{time})[len(head):], 2*crowdSize)...)
		source, _, err := OpenReader(bytes.NewReader(file), "x")
		if err != nil {
			t.Fatal(err)
		}
		held, most := 0, 0
		for b, err := range source(context.Background()) {
			if err != nil {
				t.Fatal(err)
			}
			if held += len(b.Packets); b.Until != 0 && b.Until >= time {
				held = 0
			}
			most = max(most, held)
		}
		if most == 0 || most > crowdSize+capture.BatchSize {
			t.Errorf("%s: %d packets held back at most, want no more than %d", name, most, crowdSize)
		}
	}
}
