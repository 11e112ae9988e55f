package capture

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// FuzzMerge makes sources of bytes, four to a batch: which source, how long it waits,
// how far its time goes on, and what it does then. Whatever they promise, and keep of
// it, each item comes once, frames are numbered without a gap, and times decrease only
// where something came too late, which is counted.
func FuzzMerge(f *testing.F) {
	f.Add([]byte{0, 1, 1, 0, 1, 1, 2, 0, 0, 1, 3, 1, 1, 1, 4, 2})
	f.Add([]byte{0, 200, 1, 3, 1, 1, 1, 0, 1, 1, 1, 4, 2, 1, 200, 5})
	f.Add([]byte{0, 0, 255, 0, 0, 0, 0, 6, 1, 255, 1, 3, 1, 0, 1, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 400 {
			return
		}
		synctest.Test(t, func(t *testing.T) { mergeScript(t, script) })
	})
}

func mergeScript(t *testing.T, data []byte) {
	const sources = 4
	var steps [sources][]step
	var want []string
	start := time.Now().UnixNano()
	at := [sources]int64{start, start, start, start}
	for ; len(data) >= 4; data = data[4:] {
		who := int(data[0]) % sources
		name := string(rune('a' + who))
		wait := time.Duration(data[1]) * 10 * time.Millisecond
		at[who] += int64(data[2]) * int64(5*time.Millisecond)
		if data[3]&1 == 0 {
			at[who] = max(at[who], start)
		}
		b := frames(name, at[who], at[who]+1)
		switch data[3] % 7 {
		case 1:
			b = notes(name, at[who])
		case 2:
			b = unpromised(b)
		case 3:
			b.Until += int64(time.Second) // more than it keeps
		case 4:
			b = Batch{Until: at[who]}
		case 5:
			at[who] -= int64(3 * time.Second)
		case 6:
			b = unpromised(notes(name, at[who]))
		}
		for _, p := range b.Packets {
			text, _, _ := strings.Cut(string(b.Arena[p.Off:]), "--gap--")
			want = append(want, text)
		}
		for _, r := range b.Records {
			want = append(want, string(r.Data))
		}
		steps[who] = append(steps[who], step{wait: wait, batch: b})
	}
	m := NewMerger(0)
	for i, s := range steps {
		m.Add(string(rune('a'+i)), script(s...))
	}
	o := merged(context.Background(), m)
	got := strings.Fields(o.items())
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("%d items came of %d:\n%q\n%q", len(got), len(want), got, want)
	}
	if len(o.broken) > 0 && m.Late() == 0 {
		t.Fatalf("nothing was late, and %s", o.broken[0])
	}
	if slices.ContainsFunc(o.broken, func(s string) bool { return strings.HasPrefix(s, "frame") }) {
		t.Fatalf("frames are not numbered in a row: %q", o.broken)
	}
}
