package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"dnatrace/correlate"
	"dnatrace/fixtures"
)

// recording is a fixture with its golden document.
type recording struct {
	fixtures.Case
	document correlate.Document
}

// recordings remembers those that were loaded.
type recordings struct{ byName map[string]*recording }

func (k *recordings) load(name string) (*recording, error) {
	if r := k.byName[name]; r != nil {
		return r, nil
	}
	c, err := fixtures.Load(name)
	if err != nil {
		return nil, err
	}
	r := &recording{Case: c}
	if err := json.Unmarshal(c.Want, &r.document); err != nil {
		return nil, fmt.Errorf("read golden document of %s: %w", name, err)
	}
	k.byName[name] = r
	return r, nil
}

// last is the request that a recording is about, nil if none came.
func (r *recording) last() *correlate.Incident {
	if n := len(r.document.Requests); n > 0 {
		return &r.document.Requests[n-1]
	}
	return nil
}

// demo is the name that dnatrace demo knows the recording's situation by, "" if
// it knows it not.
func (r *recording) demo() string {
	name, ok := strings.CutPrefix(r.Name, "demo-")
	if !ok {
		return ""
	}
	return name
}

// steps are the commands of the recording's situation, and what the one who
// asks observes, "" where it is not known.
func (r *recording) steps() (commands, observed string) {
	text := strings.TrimSpace(r.Steps)
	i := strings.LastIndexByte(text, '\n')
	if i < 0 {
		return "", ""
	}
	return text[:i], strings.TrimPrefix(text[i+1:], "# ")
}

// file is where the recording is, seen from a page.
func (r *recording) file() string {
	if r.Folder != nil {
		return "../../fixtures/testdata/" + r.Name + "/input"
	}
	return "../../fixtures/testdata/" + r.Name + "/recording.pcapng.gz"
}
