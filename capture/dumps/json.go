package dumps

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"dnatrace/capture/engine/docker"
)

// shape is what tells JSON objects apart: which keys they have.
type shape map[string]json.RawMessage

func (s shape) has(keys ...string) bool {
	for _, k := range keys {
		if _, ok := s[k]; !ok {
			return false
		}
	}
	return true
}

// object says what an object of JSON is.
type object int

const (
	objectUnknown object = iota
	objectContainer
	objectNetwork
	objectLink // and its addresses, where it has any
	objectRoute
	objectNeighbour
	objectPolicy // a rule of policy routing
	objectNFT
	objectListed   // a container, of docker ps
	objectComposed // a container, of docker compose ps
)

func (s shape) object() object {
	switch {
	case s.has("nftables"):
		return objectNFT
	case s.has("IPAM", "Driver", "Name"):
		return objectNetwork
	case s.has("Id", "HostConfig"), s.has("Id", "NetworkSettings"):
		return objectContainer
	case s.has("ID", "Names", "Ports"):
		return objectListed
	case s.has("ID", "Name", "Service", "Publishers"):
		return objectComposed
	case s.has("ifindex", "ifname"):
		return objectLink
	case s.has("dst", "dev", "state"):
		return objectNeighbour
	case s.has("priority", "src"), s.has("priority", "srclen"):
		return objectPolicy
	case s.has("dst") && (s.has("dev") || s.has("nexthops") || s.has("type") || s.has("gateway")):
		return objectRoute
	}
	return objectUnknown
}

// kindOf is the command that prints an object.
func (o object) kindOf() Kind {
	switch o {
	case objectNFT:
		return NFTJSON
	case objectContainer, objectNetwork:
		return Inspect
	case objectListed, objectComposed:
		return DockerPS
	case objectLink, objectRoute, objectNeighbour, objectPolicy:
		return IPDump
	}
	return ""
}

// errKnown ends a walk that has found what it looked for.
var errKnown = errors.New("known")

// recogniseJSON tells by the first object that is known; a list of nothing is
// empty.
func recogniseJSON(b []byte) Kind {
	kind, seen := Kind(""), 0
	err := walk(b, func(raw json.RawMessage) error {
		seen++
		var s shape
		if json.Unmarshal(raw, &s) == nil {
			kind = s.object().kindOf()
		}
		if kind != "" || seen == 64 {
			return errKnown
		}
		return nil
	})
	if err == nil && seen == 0 {
		return Empty
	}
	return kind
}

// walk calls f with every object: those of each list, and those that stand
// alone, of any number of documents behind one another.
func walk(b []byte, f func(json.RawMessage) error) error {
	d := json.NewDecoder(bytes.NewReader(b))
	for {
		at := d.InputOffset()
		for at < int64(len(b)) && (b[at] == ' ' || b[at] == '\n' || b[at] == '\r' || b[at] == '\t') {
			at++
		}
		if at >= int64(len(b)) {
			return nil
		}
		if b[at] == '[' {
			if _, err := d.Token(); err != nil {
				return err
			}
			for d.More() {
				if err := one(d, f); err != nil {
					return err
				}
			}
			if _, err := d.Token(); err != nil {
				return cut(err)
			}
			continue
		}
		if err := one(d, f); err != nil {
			return err
		}
	}
}

func one(d *json.Decoder, f func(json.RawMessage) error) error {
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return cut(err)
	}
	return f(raw)
}

func cut(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errors.New("it ends in the middle")
	}
	return err
}

// json reads a document of any mixture of objects. One that cannot be read is
// passed over and counted.
func (s *Set) json(netns string, b []byte) error {
	bad, first := 0, error(nil)
	batch, had, hadRules := links{}, len(s.place(netns).routes), len(s.place(netns).policies)
	kinds := map[object]bool{}
	err := walk(b, func(raw json.RawMessage) error {
		kind, err := s.jsonObject(netns, raw, &batch)
		kinds[kind] = true
		if err != nil {
			if bad++; first == nil {
				first = err
			}
		}
		return nil
	})
	s.addLinks(netns, batch)
	settleFamilies(s.place(netns).routes[had:])
	settlePolicies(s.place(netns).policies[hadRules:])
	if bad > 0 || err != nil {
		s.damagedBy(netns, kinds)
	}
	if bad > 0 {
		err = errors.Join(err, fmt.Errorf("%d objects cannot be read: %w", bad, first))
	}
	return err
}

func (s *Set) jsonObject(netns string, raw json.RawMessage, batch *links) (object, error) {
	var keys shape
	if err := json.Unmarshal(raw, &keys); err != nil {
		return objectUnknown, err
	}
	kind := keys.object()
	switch kind {
	case objectContainer:
		c, err := docker.ParseContainer(raw)
		if err != nil {
			return kind, err
		}
		s.containers = append(s.containers, c)
		s.joined = append(s.joined, docker.ParseJoined(raw)...)
	case objectNetwork:
		n, members, err := docker.ParseNetwork(raw)
		if err != nil {
			return kind, err
		}
		s.networks = append(s.networks, n)
		s.members = append(s.members, members...)
	case objectListed:
		var l listedContainer
		if err := json.Unmarshal(raw, &l); err != nil {
			return kind, fmt.Errorf("container: %w", err)
		}
		s.listed(l)
	case objectComposed:
		return kind, s.composeListed(raw)
	case objectLink:
		return kind, batch.read(raw)
	case objectRoute:
		return kind, s.place(netns).route(raw)
	case objectNeighbour:
		return kind, s.place(netns).neighbour(raw)
	case objectPolicy:
		return kind, s.place(netns).policy(raw)
	}
	return kind, nil
}
