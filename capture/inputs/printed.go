package inputs

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/dumps"
	"dnatrace/capture/recording"
	"dnatrace/capture/tcpdump"
)

// printed is a capture of which only tcpdump's text is there.
type printed struct {
	path, point, netns string
	capture            *tcpdump.Capture
	taken              bool // it is among the captures
}

// print takes in what tcpdump printed.
func (f *files) print(s source, texts []dumps.Printed) {
	for _, t := range texts {
		p := printed{path: s.path, point: s.point, netns: t.Netns, capture: tcpdump.Read(t.Text, interfaceOf(t.Command))}
		if len(texts) > 1 {
			p.path = fmt.Sprintf("%s, line %d", s.path, t.Line)
		}
		f.printed = append(f.printed, p)
	}
}

// interfaceOf is where a command has tcpdump capture: "" where it does not say.
func interfaceOf(command string) string {
	_, command, _ = strings.Cut(command, "tcpdump")
	words := strings.Fields(command)
	for i, w := range words {
		switch {
		case w == "-i" && i+1 < len(words), w == "--interface" && i+1 < len(words):
			return words[i+1]
		case strings.HasPrefix(w, "--interface="):
			return strings.TrimPrefix(w, "--interface=")
		case strings.HasPrefix(w, "-") && !strings.HasPrefix(w, "--") && strings.HasSuffix(w, "i") && i+1 < len(words):
			return words[i+1] // as in -nni eth0
		}
	}
	return ""
}

// join adds the texts to the captures. Their times have to be those of the others: of
// several clocks, the one that says most is taken, and what has another is passed over.
func (f *files) join() {
	best, captures := tcpdump.Untimed, 0
	if len(f.captures) > 0 {
		best = tcpdump.Epoch
	}
	for _, p := range f.printed {
		c := p.capture
		if c.Clock != tcpdump.Untimed && (best == tcpdump.Untimed || c.Clock < best) {
			best = c.Clock
		}
	}
	for i := range f.printed {
		p := &f.printed[i]
		c := p.capture
		switch {
		case c.Watched():
			p.taken = true
			f.captures = append(f.captures, p.named())
		case c.Packets == 0:
			f.unknown = append(f.unknown, p.path+": "+p.unread())
		case c.Clock != best:
			f.unknown = append(f.unknown, fmt.Sprintf("%s: text of tcpdump with %s, beside captures with %s: they cannot be put in order (tcpdump -tt prints times that can)", p.path, c.Clock, best))
		case best == tcpdump.Relative && captures > 0:
			f.unknown = append(f.unknown, fmt.Sprintf("%s: text of tcpdump with %s: only one such capture can be read (tcpdump -tt prints times that can be put in order)", p.path, c.Clock))
		default:
			captures++
			p.taken = true
			f.captures = append(f.captures, p.named())
		}
	}
}

// named is the capture for package recording to open.
func (p *printed) named() recording.Named {
	unnamed := filepath.Base(p.path)
	for ext := filepath.Ext(unnamed); slices.Contains(textEndings, strings.ToLower(ext)); ext = filepath.Ext(unnamed) {
		unnamed = strings.TrimSuffix(unnamed, ext)
	}
	b := p.capture.PCAPNG(unnamed, p.netns)
	return recording.Named{Path: p.path, Point: p.point, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }}
}

// textEndings are the endings of file names that say nothing about a point.
var textEndings = []string{".txt", ".text", ".log", ".out", ".gz", ".zst", ".xz", ".lz4", ".bz2", ".tcpdump"}

// shortened says of texts that they are some, and what of them could not be read.
func (f *files) shortened() []capture.Damage {
	var out []capture.Damage
	var names []string
	for _, p := range f.printed {
		if !p.taken {
			continue
		}
		names = append(names, filepath.Base(p.path))
		if p.capture.Unread > 0 {
			out = append(out, capture.Damage{File: p.path, Count: uint64(p.capture.Unread), Why: p.path + ": " + p.unread()})
		}
	}
	if len(names) > 0 {
		out = append(out, capture.Damage{Why: "text of tcpdump: of packets in " + strings.Join(names, ", ") + ", only what its lines say is in evidence"})
	}
	return out
}

// unread says of which lines no packet could be made.
func (p *printed) unread() string {
	c := p.capture
	switch {
	case c.Clock == tcpdump.Untimed:
		return fmt.Sprintf("not read, as they carry no time (leave out -t): %s of tcpdump", linesOf(c.Unread))
	case len(c.Names) > 0:
		return fmt.Sprintf("not read: %s of tcpdump, with names of hosts instead of addresses: %s (tcpdump -n prints addresses)", linesOf(c.Unread), strings.Join(c.Names, ", "))
	case c.Unread == 0:
		return "text of tcpdump without a packet"
	}
	return fmt.Sprintf("not read, as not understood: %s of tcpdump, first %q", linesOf(c.Unread), c.Example)
}

func linesOf(n int) string {
	if n == 1 {
		return "1 line"
	}
	return fmt.Sprintf("%d lines", n)
}
