package correlate

import (
	"cmp"
	"slices"
	"strconv"

	"dnatrace/capture"
)

// Apart joins the documents of several hosts, each judged by itself: the same
// names are different points, and requests keep their order host by host. Behind
// is how many requests of other hosts come before those of each.
func Apart(hosts []string, docs []*Document, behind []int) *Document {
	out := &Document{Schema: Schema, Requests: []Incident{}, Verdict: Absent, Cause: CauseNone}
	out.Recording.Points, out.Recording.Rings = []PointReport{}, []RingReport{}
	sources := map[string]*SourceReport{}
	for i, d := range docs {
		for _, s := range d.Next {
			out.Next = append(out.Next, "of "+hosts[i]+": "+s)
		}
		out.Target = cmp.Or(out.Target, d.Target)
		out.Recording.add(hosts[i], &d.Recording)
		for _, s := range d.Recording.Sources {
			if have := sources[s.Name]; have == nil || rank(s.State) > rank(have.State) {
				sources[s.Name] = &s
			}
		}
		for _, r := range d.Requests {
			r.Of(hosts[i], behind[i])
			out.Requests = append(out.Requests, r)
		}
		out.Open = append(out.Open, d.Open...)
		out.Summary.add(&d.Summary)
		if worse(d, out) {
			out.Verdict, out.Cause = d.Verdict, d.Cause
		}
	}
	for _, s := range docs[0].Recording.Sources {
		out.Recording.Sources = append(out.Recording.Sources, *sources[s.Name])
	}
	if out.Verdict != Absent {
		out.Next = nil
	}
	return out
}

// Of makes an incident one of a host, behind so many of other hosts.
func (i *Incident) Of(host string, behind int) {
	i.Host = host
	if n, err := strconv.Atoi(i.ID); err == nil {
		i.ID = strconv.Itoa(n + behind)
	}
}

// worse reports whether the verdict of d comes before that of o.
func worse(d, o *Document) bool {
	return Gravity(d.Verdict) < Gravity(o.Verdict)
}

// rank orders the states of sources: what one host lacks is lacking.
func rank(c capture.Condition) int {
	return slices.Index([]capture.Condition{capture.SourceOK, capture.SourceAbsent, capture.SourceFailed}, c)
}

func (r *Recording) add(host string, o *Recording) {
	for _, p := range o.Points {
		p.Host = host
		r.Points = append(r.Points, p)
	}
	for _, g := range o.Rings {
		g.Host = host
		r.Rings = append(r.Rings, g)
	}
	if r.Started.IsZero() || !o.Started.IsZero() && o.Started.Before(r.Started) {
		r.Started = o.Started
	}
	if o.Ended.After(r.Ended) {
		r.Ended = o.Ended
	}
	for _, s := range o.Damage {
		r.Damage = append(r.Damage, host+": "+s)
	}
	r.Filter = append(r.Filter, o.Filter...)
}

func (s *Summary) add(o *Summary) {
	for _, v := range gravity {
		*s.counter(v) += *o.counter(v)
	}
	s.Open += o.Open
	s.Evicted += o.Evicted
	s.Translated += o.Translated
}
