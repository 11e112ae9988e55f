package capture

import (
	"fmt"
	"sync"
)

// Point is one place where packets are seen: an interface in a namespace.
type Point struct {
	ID        uint16 `json:"id"`   // unique in the stream, dense from 0
	Name      string `json:"name"` // "eth0", "docker0"; inside a container "web:eth0"
	Netns     string `json:"netns"`
	Ring      uint16 `json:"ring"` // points of one ring share its losses
	Role      Role   `json:"role"`
	Index     int    `json:"index,omitempty"`     // ifindex within Netns; 0 unknown
	Link      uint16 `json:"link"`                // LINKTYPE_ number (1 Ethernet, 113 and 276 cooked, 101 raw IP, 0 loopback)
	MAC       string `json:"mac,omitempty"`       //
	Counting  bool   `json:"counting,omitempty"`  // losses at this point are counted; false for foreign captures
	Since     int64  `json:"since,omitempty"`     // Unix ns: watched from here on; 0 from the start
	Until     int64  `json:"until,omitempty"`     // Unix ns: watched up to here; 0 to the end. It is announced once more when that is known
	Gone      int64  `json:"gone,omitempty"`      // Unix ns: seen to be gone, with all that would pass it; 0 while it is there. It is announced once more then
	Container string `json:"container,omitempty"` // container whose traffic passes here; "" if not known when the point appeared
}

// HostNetns names the namespace of the Docker host itself.
const HostNetns = "host"

// Role says what kind of place a point is.
type Role uint8

// The roles of the JSON document.
const (
	RoleOther Role = iota
	RoleNIC
	RoleBridge
	RoleVeth // the host-side end of a container's pair
	RoleContainer
	RoleLoopback
	RoleOverlay
)

var roleNames = [...]string{"other", "nic", "bridge", "veth", "container", "loopback", "overlay"}

func (r Role) String() string {
	if int(r) < len(roleNames) {
		return roleNames[r]
	}
	return "other"
}

// MarshalText writes the role's name in the JSON document.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a role; an unknown name is RoleOther.
func (r *Role) UnmarshalText(b []byte) error {
	*r = RoleOther
	for i, n := range roleNames {
		if n == string(b) {
			*r = Role(i)
		}
	}
	return nil
}

// Points hands out point and ring numbers. It is safe for concurrent use: rings
// in several namespaces discover interfaces on their own.
type Points struct {
	mu    sync.Mutex
	all   []Point
	rings uint16
}

// Add numbers p and keeps it.
func (ps *Points) Add(p Point) (Point, error) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if len(ps.all) == 1<<16-1 {
		return Point{}, fmt.Errorf("add point %s: more than 65535 points", p.Name)
	}
	p.ID = uint16(len(ps.all))
	ps.all = append(ps.all, p)
	return p, nil
}

// NewRing returns the number of a new ring.
func (ps *Points) NewRing() uint16 {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.rings++
	return ps.rings - 1
}

// All returns a copy of every point so far, in order of ID.
func (ps *Points) All() []Point {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return append([]Point(nil), ps.all...)
}
