package probe

import (
	"bytes"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"dnatrace/capture"
)

// FuzzEvents is what the station says to the one that asked, a datagram each.
func FuzzEvents(f *testing.F) {
	f.Add([]byte(`{"kind":"answer","time":1,"link":"eth0","ip":"RQAAFA==","full":20}` + "\x00" + `{"kind":"over"}`))
	f.Add([]byte(`{"kind":"failed","why":"no"}` + "\x00[]\x00" + `{"kind":"away","full":-1,"link":"eth0"}`))
	f.Add([]byte(`{"kind":"lingering","why":"x"}`))
	f.Fuzz(func(t *testing.T, said []byte) {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		station := os.NewFile(uintptr(fds[1]), "station")
		p := New(os.NewFile(uintptr(fds[0]), "probe"), Want{From: "02:00:00:00:00:01"})
		n := 0
		for _, m := range bytes.Split(said, []byte{0}) {
			if len(m) > 0 && len(m) < 8192 && n < 100 {
				if _, err := station.Write(m); err != nil {
					t.Fatal(err)
				}
				n++
			}
		}
		station.Close()
		<-p.done
		<-p.Over()
		p.Lingers()
		close(p.news)
		fr := framer{points: func(link string) (capture.Point, bool) { return capture.Point{ID: 1}, link != "" }, to: mac(string(said))}
		for e := range p.news {
			fr.add(e)
		}
		for _, k := range fr.batch.Packets {
			if k.Orig < k.Len {
				t.Errorf("a packet of %d bytes, %d of them captured", k.Orig, k.Len)
			}
		}
		p.file.Close()
	})
}
