package changes

import (
	"fmt"
	"slices"
	"strings"

	"dnatrace/capture/engine"
	"dnatrace/capture/target"
	"dnatrace/decode"
)

// Bounds of what is told of a busy host: so many changes within so long.
const (
	mostTold  = 12
	toldEvery = int64(10e9) // ns
)

// itsOwn is for how long (ns) after an event of a container the engine is still at
// work about it, and settles how long before an event it may have begun to.
const (
	itsOwn  = int64(5e9)
	settles = int64(2e9)
)

// Concern passes on the changes that concern targets: those of their containers and
// networks, and of the host's rules, addresses, routes and settings. Of many at
// once the first are told, and how many more there were.
type Concern struct {
	tell    func(Change)
	targets []target.Target
	log     *Log

	now, before known // by the last two snapshots: what is removed still concerns
	since       int64 // Unix ns: when the first of those told came
	told, more  int
	event       int64    // Unix ns: the last event of a container of theirs
	waiting     []Change // within containers: the engine may be about to say why
	last        Change   // valid iff more is not 0: the last that was not told
}

// known is what targets stand for.
type known struct {
	containers, networks map[string]bool
	addresses            []string
}

// NewConcern tells the changes that concern targets; none means whatever is
// published.
func NewConcern(targets []target.Target, tell func(Change)) *Concern {
	c := &Concern{tell: tell, targets: targets}
	c.log = New(c.take, 0)
	return c
}

// Event takes what the stream says next.
func (c *Concern) Event(e decode.Event) {
	if s, ok := e.(*decode.EngineSnapshot); ok {
		c.learn(&s.Snapshot)
	}
	c.log.Event(e)
}

// Advance tells the time of the stream (Unix ns): what was too much at once is told
// once that is over.
func (c *Concern) Advance(now int64) {
	for len(c.waiting) > 0 && now-c.waiting[0].Time >= settles {
		it := c.waiting[0]
		c.waiting = c.waiting[1:]
		c.pass(it)
	}
	if c.more > 0 && now-c.since >= toldEvery {
		text := "1 more change"
		if c.more > 1 {
			text = fmt.Sprintf("%d more changes", c.more)
		}
		c.tell(Change{Time: c.last.Time, Lane: c.last.Lane, Text: text + ", the last: " + c.last.Words()})
		c.more = 0
	}
}

func (c *Concern) learn(s *engine.Snapshot) {
	r, err := target.ResolveAll(c.targets, s)
	if err != nil {
		return // a name that stands for nothing right now
	}
	c.before, c.now = c.now, known{containers: map[string]bool{}, networks: map[string]bool{}}
	for _, it := range r.Containers {
		if it.Behind {
			c.now.add(s, it.ID)
		}
	}
	if len(c.now.containers) == 0 {
		c.now = c.before // removed, and not there again yet
	}
}

func (k *known) add(s *engine.Snapshot, id string) {
	for i := range s.Containers {
		it := &s.Containers[i]
		if it.ID != id {
			continue
		}
		k.containers[it.Name] = true
		for _, e := range it.Endpoints {
			k.networks[e.Network] = true
		}
		for _, a := range it.Addrs() {
			k.addresses = append(k.addresses, a.String())
		}
	}
}

// silent are the engine's events that another one says more of: docker restart is
// kill, die, stop, start and restart.
var silent = map[string]bool{"container create": true, "container kill": true, "container stop": true, "container restart": true}

func (c *Concern) take(it Change) {
	c.Advance(it.Time)
	if !c.concerns(&it) {
		return
	}
	switch inside := it.Where != "" && it.Lane != LaneEngine; {
	case it.Lane == LaneEngine && it.Where != "":
		c.event = it.Time
		c.waiting = slices.DeleteFunc(c.waiting, func(w Change) bool { return w.Where == it.Where })
	case inside && it.Time-c.event < itsOwn:
		return // what becomes of a namespace when its container stops or starts
	case inside && len(c.waiting) < mostTold:
		c.waiting = append(c.waiting, it)
		return
	}
	c.pass(it)
}

// pass tells a change, or counts it where there are too many.
func (c *Concern) pass(it Change) {
	if it.Time-c.since >= toldEvery {
		c.since, c.told = it.Time, 0
	}
	if c.told >= mostTold {
		c.more, c.last = c.more+1, it
		return
	}
	c.told++
	c.tell(it)
}

func (c *Concern) concerns(it *Change) bool {
	switch {
	case it.Lane == LaneCapture, it.Listed, silent[it.Text]:
		return false
	case it.Where != "":
		return c.now.containers[it.Where] || c.before.containers[it.Where]
	case it.Network != "":
		return c.now.networks[it.Network] || c.before.networks[it.Network]
	case it.Lane == LaneSockets:
		return false // of the host: others' listeners come and go
	case it.Transient && it.Time-c.event < itsOwn:
		return false // the engine's rules for a container come and go with it
	case it.Transient:
		return Naming(it.Text, c.now.addresses) != "" || Naming(it.Text, c.before.addresses) != ""
	}
	return true
}

// Words says what a change is, and where.
func (it *Change) Words() string {
	if it.Where == "" {
		return it.Text
	}
	return it.Where + ": " + strings.TrimPrefix(it.Text, "container ")
}
