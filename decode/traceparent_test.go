package decode

import (
	"strings"
	"testing"
)

func TestATraceparentIsReadAsItWasWritten(t *testing.T) {
	const value = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for _, c := range []struct {
		name, frame string
		ok          bool
	}{
		{"as browsers and libraries write it", "GET / HTTP/1.1\r\nHost: a\r\ntraceparent: " + value + "\r\n\r\n", true},
		{"with a large letter, and no space", "GET / HTTP/1.1\r\nTraceparent:" + value + "\r\n\r\n", true},
		{"a later version, with more behind it", "traceparent: cc" + value[2:] + "-what-comes-then\r\n", true},
		{"at the very end of what was captured", "traceparent: " + value, true},
		{"cut by the capture", "traceparent: " + value[:len(value)-1], false},
		{"a version that there is not", "traceparent: ff" + value[2:] + "\r\n", false},
		{"no trace", "traceparent: 00-" + strings.Repeat("0", 32) + "-00f067aa0ba902b7-01\r\n", false},
		{"no span", "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01\r\n", false},
		{"large digits, which are not allowed", "traceparent: " + strings.ToUpper(value) + "\r\n", false},
		{"no digits", "traceparent: 00-zzf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n", false},
		{"another field", "x-btraceparent-raceparent:" + value, false},
		{"nothing", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := TraceparentIn([]byte(c.frame))
			if ok != c.ok {
				t.Fatalf("found is %v", ok)
			}
			if ok && (got.Trace[0] != 0x4b || got.Trace[15] != 0x36 || got.Span[1] != 0xf0 || got.Span[7] != 0xb7 || got.Flags != 1) {
				t.Errorf("it is %+v", got)
			}
			if ok && !SaysTraceparent([]byte(c.frame)) {
				t.Error("the arena is said to have none")
			}
		})
	}
}

func FuzzTraceparent(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n"))
	f.Add([]byte("traceparent: cc-"))
	f.Fuzz(func(t *testing.T, frame []byte) {
		if got, found := TraceparentIn(frame); !found && got != (Traceparent{}) {
			t.Errorf("nothing is found, and it is %v", got)
		}
	})
}
