package dumps

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"dnatrace/capture/engine"
)

// What docker ps and docker port print for people, and docker ps and docker compose ps
// with --format json: names, states and ports, no addresses and no networks.
var (
	psTitle  = regexp.MustCompile(`^CONTAINER ID +.*\b(PORTS|STATUS|NAMES)\b`)
	portLine = regexp.MustCompile(`^(\d+)/(tcp|udp|sctp) -> (\S+):(\d+)$`)
)

func isPS(b []byte) bool          { return psTitle.Match(b) }
func isPortMapping(b []byte) bool { return portLine.Match(b) }

// psLines reads the table of docker ps, whose columns begin where their titles do.
func (s *Set) psLines(b []byte) error {
	var columns []column
	bad := &misread{}
	for _, raw := range lines(b) {
		line := string(raw)
		if psTitle.MatchString(line) {
			columns = columnsOf(line)
			continue
		}
		cell := func(title string) string { return cellOf(columns, line, title) }
		if id := cell("CONTAINER ID"); !idForm.MatchString(id) || cell("NAMES") == "" {
			bad.add(line)
			continue
		}
		s.listed(listedContainer{ID: cell("CONTAINER ID"), Names: cell("NAMES"), Image: cell("IMAGE"), Ports: cell("PORTS"), Status: cell("STATUS")})
	}
	if bad.n > 0 {
		s.torn = true
	}
	return bad.err()
}

var idForm = regexp.MustCompile(`^[0-9a-f]{4,64}$`)

// column is one of a table: its title, and where it begins.
type column struct {
	title string
	at    int
}

func columnsOf(line string) (all []column) {
	for _, at := range regexp.MustCompile(`\S+(?: \S+)*`).FindAllStringIndex(line, -1) {
		all = append(all, column{line[at[0]:at[1]], at[0]})
	}
	return all
}

func cellOf(columns []column, line, title string) string {
	for i, c := range columns {
		if c.title != title || c.at >= len(line) {
			continue
		}
		end := len(line)
		if i+1 < len(columns) {
			end = min(end, columns[i+1].at)
		}
		return strings.TrimSpace(line[c.at:end])
	}
	return ""
}

// listedContainer is one in the list of docker ps --format json.
type listedContainer struct {
	ID, Names, Image, Ports, Status, State string
	Labels                                 json.RawMessage
}

// listed takes a container that docker ps lists.
func (s *Set) listed(l listedContainer) {
	name, _, _ := strings.Cut(l.Names, ",")
	c := engine.Container{ID: l.ID, Name: name, Image: l.Image, State: stateOf(l.State, l.Status)}
	var labels string
	if json.Unmarshal(l.Labels, &labels) == nil {
		for _, pair := range strings.Split(labels, ",") {
			switch key, value, _ := strings.Cut(pair, "="); key {
			case "com.docker.compose.project":
				c.Project = value
			case "com.docker.compose.service":
				c.Service = value
			}
		}
	}
	for _, p := range strings.Split(l.Ports, ",") {
		addPorts(&c, strings.TrimSpace(p))
	}
	s.named = append(s.named, c)
}

// stateOf is the state of a container by what docker ps says of it: "Up 3 hours
// (Paused)", "Exited (0) 5 minutes ago".
func stateOf(state, status string) string {
	switch word, _, _ := strings.Cut(status, " "); {
	case state != "":
		return lower(state)
	case strings.Contains(status, "(Paused)"):
		return "paused"
	case word == "Up":
		return "running"
	default:
		return lower(word)
	}
}

// portsForm is "0.0.0.0:7000-7002->7000-7002/tcp", "[::]:80->80/tcp", "443/tcp".
var portsForm = regexp.MustCompile(`^(?:(.*):)?(\d+)(?:-(\d+))?(?:->(\d+)(?:-(\d+))?)?/(tcp|udp|sctp)$`)

// mostPorts bounds a range of ports.
const mostPorts = 1 << 12

// addPorts reads one entry of the column of ports.
func addPorts(c *engine.Container, s string) {
	m := portsForm.FindStringSubmatch(s)
	if m == nil {
		return
	}
	number := func(s string) int {
		n, _ := strconv.Atoi(s)
		return n
	}
	first, last := number(m[2]), max(number(m[2]), number(m[3]))
	if last > 65535 || last-first > mostPorts {
		return
	}
	for i := 0; i <= last-first; i++ {
		if m[4] == "" {
			c.Exposed = append(c.Exposed, engine.Port{Proto: m[6], Port: uint16(first + i)})
			continue
		}
		inside := number(m[4])
		if m[5] != "" {
			inside += i
		}
		b := engine.Binding{Proto: m[6], Container: uint16(inside), HostPort: uint16(first + i)}
		b.HostIP, _ = netip.ParseAddr(strings.Trim(m[1], "[]"))
		c.Mappings, c.Bindings = append(c.Mappings, b), append(c.Bindings, b)
	}
}

// portLines reads what docker port prints of one container, which its command names.
func (s *Set) portLines(command string, b []byte) error {
	words := strings.Fields(command)
	name := after(words, "port")
	if name == "" {
		return fmt.Errorf("which container docker port was asked about is not told: put the command in front of what it prints")
	}
	c := engine.Container{Name: name, State: "running"}
	for _, raw := range lines(b) {
		if m := portLine.FindStringSubmatch(string(raw)); m != nil {
			addPorts(&c, m[3]+":"+m[4]+"->"+m[1]+"/"+m[2])
		}
	}
	s.named = append(s.named, c)
	return nil
}

// composeRow is a container as docker compose ps --format json lists it.
type composeRow struct {
	ID, Name, Image, Project, Service, State string
	Publishers                               []struct {
		URL, Protocol             string
		TargetPort, PublishedPort uint16
	}
}

func (s *Set) composeListed(raw json.RawMessage) error {
	var in composeRow
	if err := json.Unmarshal(raw, &in); err != nil {
		return fmt.Errorf("container: %w", err)
	}
	c := engine.Container{ID: in.ID, Name: in.Name, Image: in.Image, Project: in.Project, Service: in.Service, State: in.State}
	for _, p := range in.Publishers {
		if p.PublishedPort == 0 {
			c.Exposed = append(c.Exposed, engine.Port{Proto: p.Protocol, Port: p.TargetPort})
			continue
		}
		b := engine.Binding{Proto: p.Protocol, Container: p.TargetPort, HostPort: p.PublishedPort}
		b.HostIP, _ = netip.ParseAddr(p.URL)
		c.Mappings, c.Bindings = append(c.Mappings, b), append(c.Bindings, b)
	}
	s.named = append(s.named, c)
	return nil
}

// settleNamed adds the containers that only lists and files tell of to those that
// docker inspect does, and to what is told of those what only lists tell.
func (s *Set) settleNamed(e *engine.Snapshot) {
	inspected := map[string]bool{} // docker inspect told of it
	for i := range s.containers {
		inspected[s.containers[i].ID] = true
	}
	for _, c := range s.named {
		same := func(o engine.Container) bool {
			return c.ID != "" && strings.HasPrefix(o.ID, c.ID) || c.Name != "" && o.Name == c.Name ||
				c.ID == "" && c.Service != "" && o.Service == c.Service && (c.Project == "" || o.Project == c.Project)
		}
		i := slices.IndexFunc(e.Containers, same)
		if i < 0 {
			if c.ID == "" {
				c.ID = c.Project + "/" + c.Service + "/" + c.Name // it has none that is known
			}
			e.Containers = append(e.Containers, c)
			continue
		}
		o := &e.Containers[i]
		if o.Project == "" && o.Service == "" {
			o.Project, o.Service = c.Project, c.Service
		}
		if len(o.Mappings)+len(o.Bindings) == 0 && !inspected[o.ID] {
			o.Mappings, o.Bindings = c.Mappings, c.Bindings
		}
		if len(o.Exposed) == 0 && !inspected[o.ID] {
			o.Exposed = c.Exposed
		}
	}
}
