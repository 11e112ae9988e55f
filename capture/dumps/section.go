package dumps

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// section is a part of a file that one command printed. A file may be a transcript
// of several, with or without the commands themselves.
type section struct {
	kind    Kind   // "" unknown
	command string // as it was typed; "" where it is not in the file
	netns   string // the container in which it was run; "" where it does not say
	line    int    // of the file, from 1
	text    []byte
}

// sections takes a text apart by the commands in it, and where lines of another kind
// begin.
func sections(b []byte) []section {
	s := splitter{now: section{line: 1}}
	for len(b) > 0 {
		n := bytes.IndexByte(b, '\n') + 1
		if n == 0 {
			n = len(b)
		}
		if s.startsJSON(b[:n]) {
			if end := jsonEnd(b); end > 0 {
				s.document(b[:end])
				b = b[end:]
				continue
			}
		}
		s.take(b[:n])
		b = b[n:]
	}
	s.end()
	return s.all
}

type splitter struct {
	all   []section
	now   section
	lines int // taken so far
	depth int // of braces, within the tables of nft
	table bool
}

// take adds one line.
func (s *splitter) take(line []byte) {
	defer func() { s.lines++ }()
	plain := bytes.TrimRight(line, " \t\r\n")
	if s.depth == 0 && !s.table && s.now.kind != Compose {
		if command, netns, ok := commandIn(string(plain)); ok {
			s.end()
			s.now = section{command: command, netns: netns, line: s.lines + 2}
			return
		}
	}
	if kind := s.kindOf(plain); kind != "" && kind != s.now.kind {
		switch {
		case s.now.kind == "":
			s.now.kind = kind
		default:
			s.end()
			s.now = section{kind: kind, line: s.lines + 1}
		}
	}
	s.follow(plain)
	s.now.text = append(s.now.text, line...)
}

// follow keeps count of what is open at the end of a line: until it is closed, lines
// belong to it whatever they look like.
func (s *splitter) follow(line []byte) {
	switch s.now.kind {
	case NFTText:
		s.depth = max(0, s.depth+bytes.Count(line, []byte("{"))-bytes.Count(line, []byte("}")))
	case IPTables:
		if tableLine.Match(line) {
			s.table = true
		} else if string(line) == "COMMIT" {
			s.table = false
		}
	}
}

// kindOf is the kind that a line begins, or belongs to; "" where it does not say.
func (s *splitter) kindOf(line []byte) Kind {
	indented := len(line) > 0 && (line[0] == ' ' || line[0] == '\t')
	if s.depth > 0 || s.table || len(line) == 0 || s.now.kind == Compose || indented && s.now.kind != "" {
		return ""
	}
	for _, t := range textKinds {
		if t.is(line) {
			return t.kind
		}
	}
	return ""
}

// end closes the section that is open, unless nothing is in it.
func (s *splitter) end() {
	if len(bytes.TrimSpace(s.now.text)) > 0 {
		s.all = append(s.all, s.now)
	}
	s.now = section{line: s.lines + 1}
	s.depth, s.table = 0, false
}

// document adds a document of JSON, which is a section of its own.
func (s *splitter) document(b []byte) {
	at := s.now
	if len(bytes.TrimSpace(at.text)) > 0 || at.kind != "" {
		s.end()
		at = section{line: s.lines + 1}
	}
	at.kind, at.text = recogniseJSON(b), b
	if at.kind == "" {
		at.kind = unknownJSON
	}
	s.all = append(s.all, at)
	s.lines += bytes.Count(b, []byte("\n"))
	s.now = section{command: at.command, netns: at.netns, line: s.lines + 1}
}

// unknownJSON marks a document that is none of a known kind, until it is reported.
const unknownJSON Kind = "JSON"

// startsJSON reports whether a line may begin a document of JSON.
func (s *splitter) startsJSON(line []byte) bool {
	if s.depth > 0 || s.table || s.now.kind == Compose {
		return false
	}
	line = bytes.TrimSpace(line)
	switch string(line) {
	case "[", "{", "[{", "[]":
		return true
	}
	return bytes.HasPrefix(line, []byte(`{"`)) || bytes.HasPrefix(line, []byte(`[{`)) || bytes.HasPrefix(line, []byte(`{ "`))
}

// jsonEnd is where the document at the beginning of b ends, its line included; 0 if
// it is none, or is cut.
func jsonEnd(b []byte) int {
	d := json.NewDecoder(bytes.NewReader(b))
	var raw json.RawMessage
	if d.Decode(&raw) != nil {
		return 0
	}
	end := int(d.InputOffset())
	if i := bytes.IndexByte(b[end:], '\n'); i >= 0 && len(bytes.TrimSpace(b[end:end+i])) == 0 {
		end += i + 1
	}
	return end
}

// endsInText reports whether something else than JSON is behind documents of it.
func endsInText(b []byte) bool {
	for b = bytes.TrimSpace(b); len(b) > 0 && (b[0] == '[' || b[0] == '{'); b = bytes.TrimSpace(b) {
		end := jsonEnd(b)
		if end == 0 {
			return false
		}
		b = b[end:]
	}
	return len(b) > 0
}

// Lines with the command whose output follows: behind a prompt, as a shell with -x
// prints it, or as a headline.
var (
	prompted = regexp.MustCompile(`^\s*(?:\([^)]*\)\s*)?(?:\[[^\]]*\]|[\w.-]+@[^\s#$%>]+|[\w.-]*[:~][^\s#$%>]*|(?:/[\w.-]+)+|bash-[\d.]+|sh-[\d.]+|PS [^>]*)?\s?(?:[~/][^\s#$%>]*)?\s?[#$%>❯➜]\s*(\S.*)$`)
	traced   = regexp.MustCompile(`^\++ (\S.*)$`)
	headline = regexp.MustCompile(`^(?:[=*#-]{2,}|\[|>>+)\s*(\S.*?)\s*(?:[=*#-]{2,}|\]|:)?$`)
)

// commandIn is the command that a line shows, and the container that it is run in.
func commandIn(line string) (command, netns string, ok bool) {
	for _, form := range []*regexp.Regexp{prompted, traced, headline} {
		if m := form.FindStringSubmatch(line); m != nil {
			words, netns := withoutWrappers(strings.Fields(m[1]))
			if len(words) > 0 && commands[baseOf(words[0])] {
				return m[1], netns, true
			}
		}
	}
	return "", "", false
}

func baseOf(word string) string { return word[strings.LastIndexByte(word, '/')+1:] }

// withoutWrappers leaves out what runs a command elsewhere or otherwise: sudo, env,
// docker exec NAME, ip netns exec NAME.
func withoutWrappers(words []string) (rest []string, netns string) {
	for len(words) > 1 {
		switch base := baseOf(words[0]); {
		case base == "sudo", base == "env", base == "time", base == "watch":
			words = skipOptions(words[1:])
		case (base == "docker" || base == "podman" || base == "nerdctl") && words[1] == "exec":
			words = skipOptions(words[2:])
			if len(words) < 2 {
				return words, netns
			}
			netns, words = words[0], words[1:]
		case base == "ip" && len(words) > 4 && words[1] == "netns" && words[2] == "exec":
			netns, words = words[3], words[4:]
		case base == "nsenter":
			i := 1
			for i < len(words) && (strings.HasPrefix(words[i], "-") || !commands[baseOf(words[i])]) {
				i++
			}
			netns, words = strings.Join(words[:i], " "), words[i:] // of a process, whose container is not known
		default:
			return words, netns
		}
	}
	return words, netns
}

func skipOptions(words []string) []string {
	for len(words) > 1 && strings.HasPrefix(words[0], "-") {
		words = words[1:]
	}
	return words
}

// commands are those whose names are known for one: lines with others are no prompts.
var commands = map[string]bool{
	"docker": true, "podman": true, "docker-compose": true, "nerdctl": true, "kubectl": true,
	"ip": true, "ifconfig": true, "route": true, "arp": true, "bridge": true, "brctl": true, "ethtool": true, "tc": true,
	"ss": true, "netstat": true, "lsof": true, "iptables": true, "ip6tables": true, "iptables-save": true, "ip6tables-save": true,
	"iptables-legacy": true, "iptables-nft": true, "ip6tables-legacy": true, "ip6tables-nft": true, "iptables-legacy-save": true,
	"iptables-nft-save": true, "ip6tables-legacy-save": true, "ip6tables-nft-save": true,
	"nft": true, "ipset": true, "conntrack": true, "sysctl": true, "tcpdump": true, "tshark": true, "ufw": true, "firewall-cmd": true,
	"cat": true, "head": true, "tail": true, "grep": true, "echo": true, "printf": true, "cd": true, "ls": true, "pwd": true, "id": true, "whoami": true,
	"uname": true, "hostname": true, "date": true, "uptime": true, "ps": true, "top": true, "free": true, "df": true, "systemctl": true, "journalctl": true,
	"service": true, "dmesg": true, "lsmod": true, "modprobe": true, "curl": true, "wget": true, "ping": true, "ping6": true, "nc": true, "ncat": true,
	"telnet": true, "dig": true, "host": true, "nslookup": true, "getent": true, "traceroute": true, "mtr": true, "nmap": true, "sudo": true, "nsenter": true,
	"exit": true, "logout": true, "sleep": true, "clear": true, "export": true, "dnatrace": true, "ssh": true, "su": true, "lsb_release": true,
}

// what names a section in messages.
func (s *section) what() string {
	if s.command != "" {
		return fmt.Sprintf("line %d, the output of %q", s.line, clipped(s.command))
	}
	return fmt.Sprintf("line %d, %q", s.line, clipped(firstLine(s.text)))
}

func firstLine(b []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(b), []byte{'\n'})
	return string(bytes.TrimSpace(line))
}

func clipped(s string) string {
	const most = 50
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// quiet are commands whose output nobody expects to be read.
var quiet = map[string]bool{
	"cd": true, "echo": true, "date": true, "hostname": true, "uname": true, "whoami": true, "id": true, "pwd": true, "ls": true, "clear": true,
	"exit": true, "logout": true, "export": true, "sleep": true, "uptime": true, "printf": true, "su": true, "ssh": true,
}

// tells reports whether a section that is not known is worth naming.
func (s *section) tells() bool {
	words, _ := withoutWrappers(strings.Fields(s.command))
	return len(words) == 0 || !quiet[baseOf(words[0])]
}
