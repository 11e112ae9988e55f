package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
	"dnatrace/correlate/catalogue"
)

// observations are what a client of a connection tells of each outcome.
var observations = map[string]string{
	"answered":    "An answer.",
	"refused":     "Refused at once: `curl: (7) Failed to connect: Connection refused`.",
	"reset":       "It connects, and is cut off: `curl: (56) Recv failure: Connection reset by peer`.",
	"closed":      "It connects, and the other side closes without a word: `curl: (52) Empty reply from server`.",
	"unreachable": "After a moment: `curl: (7) Failed to connect: No route to host`, or that the network cannot be reached.",
	"timed out":   "Nothing comes: it waits until it gives up, `curl: (28) Connection timed out`.",
}

// waiting is what a client tells that connected and then gets nothing.
const waiting = "It connects, and then waits until it gives up: `curl: (28) Operation timed out with 0 bytes received`."

// byVerdict is what is seen of a shape of which there is no recording.
var byVerdict = map[correlate.Verdict]string{
	correlate.Delivered: "answered", correlate.Misdelivered: "answered", correlate.Refused: "refused", correlate.Dropped: "timed out",
	correlate.Unanswered: "timed out", correlate.AnswerLost: "timed out", correlate.Stalled: "timed out", correlate.Absent: "timed out",
}

// sees tells the client's symptom.
func sees(b *strings.Builder, e catalogue.Entry, r *recording) {
	observed, connected, datagrams := byVerdict[e.Verdict], false, false
	if r != nil {
		if _, o := r.steps(); o != "" {
			observed = o
		}
		if i := r.last(); i != nil {
			connected, datagrams = i.Timing.Connect > 0, i.Protocol == "udp"
		}
	}
	text := observations[observed]
	switch {
	case observed == "answered" && e.Verdict == correlate.Misdelivered:
		text = "An answer, of something else than was meant."
	case observed == "timed out" && e.Verdict == correlate.Stalled:
		text = "It connects, and the transfer stops half way: `curl: (28) Operation timed out` with some of the bytes."
	case observed == "timed out" && datagrams:
		text = "No datagram comes back."
	case observed == "timed out" && connected:
		text = waiting
	}
	fmt.Fprintf(b, "\n### What the user sees\n\n%s\n", text)
}

// shows prints the recording as dnatrace prints it.
func shows(b *strings.Builder, r *recording) error {
	table, err := printed(&r.document)
	if err != nil {
		return fmt.Errorf("print %s: %w", r.Name, err)
	}
	fmt.Fprintf(b, "\n### What the packets show\n\n%s\n\n```text\n%s```\n", r.Story, table)
	return nil
}

// printed is the table of a document, in ASCII, 100 columns wide.
func printed(d *correlate.Document) (string, error) {
	var out bytes.Buffer
	p := render.New(&out, render.FormatTable, render.Options{Width: 100})
	p.Start(d)
	for i := range d.Requests {
		p.Incident(&d.Requests[i])
	}
	if err := p.End(d); err != nil {
		return "", err
	}
	lines := strings.Split(strings.Trim(out.String(), "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return ascii(strings.Join(lines, "\n")) + "\n", nil
}

// ascii replaces what rules and details have of other characters.
func ascii(s string) string {
	return strings.NewReplacer("→", "->", "×", "x", "…", "...", "–", "-", "µ", "u").Replace(s)
}

// sure tells the evidence, and how to look at it.
func sure(b *strings.Builder, code catalogue.Code, e catalogue.Entry, r *recording) {
	fmt.Fprintf(b, "\n### How to be sure\n\nWhat shows it: %s.\n\n", e.Evidence)
	target := "8080"
	if r != nil {
		if i := r.last(); i != nil && len(i.Evidence) > 0 {
			b.WriteString("In the recording:\n\n")
			for _, ev := range i.Evidence {
				fmt.Fprintf(b, "- %s: %s\n", ev.Source, render.MarkdownText(render.Clean(ev.Text)))
			}
			b.WriteString("\n")
		}
		if r.document.Target != "" {
			target = r.document.Target
		}
	}
	commands := "sudo dnatrace diagnose " + target
	if r != nil && r.Folder == nil {
		commands += fmt.Sprintf("\ndnatrace replay fixtures/testdata/%s/recording.pcapng.gz", r.Name)
	}
	fmt.Fprintf(b, "With dnatrace:\n\n```sh\n%s\n```\n\nBy hand:\n\n```sh\n%s\n```\n", commands, strings.Join(code.ByHand, "\n"))
}

// language is that of a fix: a command, or words.
func language(fix string) string {
	first, _, _ := strings.Cut(fix, " ")
	if slices.Contains([]string{"docker", "iptables", "ip6tables", "nft", "ip", "sysctl", "conntrack", "ufw", "firewall-cmd", "nsenter"}, first) {
		return "sh"
	}
	return "text"
}

// fixes tells what to do.
func fixes(b *strings.Builder, e catalogue.Entry, r *recording) {
	fmt.Fprintf(b, "\n### How to fix it\n\n%s\n", e.Fix)
	if r == nil || r.last() == nil || len(r.last().Fix) == 0 {
		return
	}
	b.WriteString("\nFor the recording dnatrace says:\n\n")
	for _, f := range r.last().Fix {
		b.WriteString(render.MarkdownBlock(language(f), ascii(render.Clean(f))))
	}
}

// reproduce tells the commands of the first recording that has them, and lists
// all.
func reproduce(b *strings.Builder, e catalogue.Entry, known *recordings) error {
	b.WriteString("\n### How to reproduce it\n\n")
	if e.Missing != "" {
		fmt.Fprintf(b, "There is no recording: %s.\n", e.Missing)
		return nil
	}
	var list, demos strings.Builder
	told := false
	for _, name := range e.Fixtures {
		r, err := known.load(name)
		if err != nil {
			return err
		}
		if commands, _ := r.steps(); commands != "" && !told {
			told = true
			fmt.Fprintf(b, "What the tests type, on a host 198.51.100.1 and a client 198.51.100.100 (`lab/server` is any server; the tests use their own):\n\n```sh\n%s\n```\n\n", commands)
		}
		if r.demo() != "" {
			fmt.Fprintf(&demos, "sudo dnatrace demo %s\n", r.demo())
		}
		fmt.Fprintf(&list, "- [%s](%s) (%s): %s\n", r.Name, r.file(), r.Origin, r.Story)
	}
	if demos.Len() > 0 {
		fmt.Fprintf(b, "In a lab of its own, which leaves nothing behind:\n\n```sh\n%s```\n\n", demos.String())
	}
	fmt.Fprintf(b, "Recordings:\n\n%s", list.String())
	return nil
}
