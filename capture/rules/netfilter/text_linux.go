package netfilter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"dnatrace/capture/rules"
)

// textTime is what one program may take; a host with tens of thousands of
// rules needs seconds.
const textTime = 5 * time.Second

// command is a program that prints rules.
type command struct {
	backend string
	args    []string
}

// readTexts runs the programs that print the rules of the back ends in use. They
// belong to the calling thread's namespace, as children of it do.
func readTexts(nft, legacy4, legacy6 bool) []rules.Ruleset {
	var sets []rules.Ruleset
	for _, c := range commands(nft, legacy4, legacy6) {
		bin, err := program(c.args[0], programDirs)
		switch {
		case err == nil:
			sets = append(sets, c.run(bin))
		case !notThere(err):
			sets = append(sets, failed(rules.Ruleset{Backend: c.backend}, fmt.Errorf("run %s: %w", c.args[0], err)))
		}
	}
	return sets
}

// commands leaves out what would make the kernel load a back end that is not in
// use: where nf_tables is absent, iptables-save is trusted only if it is the
// legacy one, and asked only for tables that exist.
func commands(nft, legacy4, legacy6 bool) []command {
	var cs []command
	if nft {
		cs = append(cs,
			command{"nft-text", []string{"nft", "-a", "list", "ruleset"}},
			command{"iptables-save", []string{"iptables-save", "-c"}},
			command{"ip6tables-save", []string{"ip6tables-save", "-c"}})
	}
	if legacy4 {
		cs = append(cs, command{"iptables-legacy-save", []string{"iptables-legacy-save", "-c"}})
	}
	if legacy6 {
		cs = append(cs, command{"ip6tables-legacy-save", []string{"ip6tables-legacy-save", "-c"}})
	}
	return cs
}

func (c command) run(bin string) rules.Ruleset {
	set := rules.Ruleset{Backend: c.backend}
	ctx, cancel := context.WithTimeout(context.Background(), textTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, c.args[1:]...)
	cmd.WaitDelay = time.Second
	cmd.Env = []string{"LC_ALL=C"} // nothing of the caller's
	cmd.Dir = "/"
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return failed(set, fmt.Errorf("run %s: not done after %s", c.args[0], textTime))
	case err != nil:
		return failed(set, fmt.Errorf("run %s: %w", c.args[0], errors.Join(err, firstLine(stderr.String()))))
	}
	set.Data = stdout.Bytes()
	if c.backend == "nft-text" {
		set.Data = withoutOwn(set.Data)
	}
	return set
}

// withoutOwn takes the tables that dnatrace made out of what nft lists: from the
// line that begins one to the brace at the beginning of a line.
func withoutOwn(text []byte) []byte {
	var out []byte
	inside := false
	for line := range bytes.Lines(text) {
		words := bytes.Fields(line)
		if len(words) >= 3 && string(words[0]) == "table" && line[0] == 't' {
			inside = bytes.HasPrefix(words[2], []byte(rules.OwnPrefix))
		}
		if !inside {
			out = append(out, line...)
		}
		if line[0] == '}' {
			inside = false
		}
	}
	return out
}

func firstLine(s string) error {
	if s, _, _ = strings.Cut(strings.TrimSpace(s), "\n"); s != "" {
		return errors.New(s)
	}
	return nil
}
