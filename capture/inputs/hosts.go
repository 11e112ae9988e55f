package inputs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/recording"
)

// ErrHosts is wrapped by the error about inputs of several hosts where only those
// of one can be read.
var ErrHosts = errors.New("recordings made on different hosts")

// Host is what was found of one host.
type Host struct {
	Name string // of its first recording's file, without what is behind the dot; "" if there is only one host
	*Opened
}

// OpenApart is Open for recordings that may have been made on different hosts: one
// stream for each, in the order of the files. A point of one host is never one of
// another's. Captures and dumps that do not say of which host they are cannot come
// with recordings of several.
func OpenApart(inputs ...Input) ([]Host, error) {
	f := &files{fsys: disk{}}
	if err := f.find(inputs); err != nil {
		return nil, err
	}
	groups := f.hosts()
	if len(groups) < 2 {
		o, err := f.open(inputs)
		if err != nil {
			return nil, err
		}
		return []Host{{Opened: o}}, nil
	}
	if len(f.dumps) > 0 || len(f.captures) > countOf(groups) {
		return nil, fmt.Errorf("read %s: %w, with captures or dumps that do not say of which", inputs[0].Path, ErrHosts)
	}
	var out []Host
	for i, g := range groups {
		part := &files{fsys: f.fsys, captures: g.captures}
		if i == 0 {
			part.unknown = f.unknown
		}
		o, err := part.open(inputs)
		if err != nil {
			return nil, err
		}
		base := filepath.Base(g.captures[0].Path)
		name, _, _ := strings.Cut(base, ".")
		if name == "" {
			name = base
		}
		out = append(out, Host{Name: name, Opened: o})
	}
	return out, nil
}

// group are recordings of one host.
type group struct {
	captures []recording.Named
	whose    []identity
}

func countOf(groups []group) (n int) {
	for _, g := range groups {
		n += len(g.captures)
	}
	return n
}

// hosts sorts our recordings by the hosts that they were made on. Where nothing
// tells, it is taken to be one.
func (f *files) hosts() []group {
	var groups []group
	if len(f.captures) < 2 {
		return nil
	}
next:
	for _, c := range f.captures {
		who, ours := f.identify(c)
		if !ours {
			continue
		}
		for i := range groups {
			if !groups[i].contradicts(who) {
				groups[i].captures, groups[i].whose = append(groups[i].captures, c), append(groups[i].whose, who)
				continue next
			}
		}
		groups = append(groups, group{[]recording.Named{c}, []identity{who}})
	}
	return groups
}

func (g *group) contradicts(who identity) bool {
	for _, o := range g.whose {
		if o.contradicts(who) {
			return true
		}
	}
	return false
}

// identity is what a recording says of the host that it was made on.
type identity struct {
	host     string            // capture.Start.Host; "" if it does not say
	cards    map[string]string // hardware addresses of network cards, by name
	redacted bool              // they are pseudonyms
}

// contradicts reports whether two recordings cannot be of one host. Of recordings
// that do not say, a network card has one hardware address.
func (a identity) contradicts(b identity) bool {
	if a.host != "" && b.host != "" {
		return a.host != b.host
	}
	if a.redacted || b.redacted {
		return false
	}
	for name, mac := range a.cards {
		if other := b.cards[name]; other != "" && mac != other {
			return true
		}
	}
	return false
}

// identify reads the beginning of a recording. False for a capture by others, and
// for what can be read once only.
func (f *files) identify(c recording.Named) (who identity, ours bool) {
	if f.fsys == (disk{}) {
		if st, err := os.Stat(c.Path); err != nil || !st.Mode().IsRegular() {
			return who, false
		}
	}
	src, _, err := recording.OpenNamed(c)
	if err != nil {
		return who, false
	}
	who.cards = map[string]string{}
	for b, err := range src(context.Background()) {
		if err != nil || len(b.Packets) > 0 {
			break
		}
		for _, r := range b.Records {
			switch r.Kind {
			case capture.KindStart:
				var s capture.Start
				if json.Unmarshal(r.Data, &s) == nil {
					ours, who.host, who.redacted = true, s.Host, s.Redacted
				}
			case capture.KindPoint:
				var p capture.Point
				if json.Unmarshal(r.Data, &p) == nil && p.Role == capture.RoleNIC && p.Netns == capture.HostNetns && p.MAC != "" {
					who.cards[p.Name] = p.MAC
				}
			}
		}
	}
	return who, ours
}
