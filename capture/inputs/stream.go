package inputs

import (
	"context"
	"encoding/json"
	"iter"
	"slices"

	"dnatrace/capture"
	"dnatrace/capture/dumps"
)

// with puts what was dumped before the first packet of a stream, and has its
// points told by what is known of interfaces.
func with(src capture.Source, k *interfaces, damage []capture.Damage, set *dumps.Set) capture.Source {
	return func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			s := splitter{known: k}
			begun := false
			begin := func(at int64) bool {
				begun = true
				recs := set.Records(at)
				for _, d := range damage {
					recs = append(recs, record(at, capture.OriginMeta, capture.KindDamage, d))
				}
				return len(recs) == 0 || yield(&capture.Batch{Records: recs}, nil)
			}
			for b, err := range src(ctx) {
				if err != nil {
					yield(nil, err)
					return
				}
				if at, ok := begins(b); !begun && ok && !starts(b) && !begin(at-1) {
					return
				}
				for _, part := range s.split(b) {
					if !yield(part, nil) {
						return
					}
				}
				if at, ok := begins(b); !begun && ok && !begin(at) {
					return
				}
			}
			if !begun {
				begin(0)
			}
		}
	}
}

// begins is the earliest time in a batch.
func begins(b *capture.Batch) (int64, bool) {
	var at int64
	found := false
	for i := range b.Packets {
		if t := b.Packets[i].Time; !found || t < at {
			at, found = t, true
		}
	}
	for i := range b.Records {
		if t := b.Records[i].Time; !found || t < at {
			at, found = t, true
		}
	}
	return at, found
}

// starts reports whether a recording of ours begins in b: its start comes first.
func starts(b *capture.Batch) bool {
	return slices.ContainsFunc(b.Records, func(r capture.Record) bool {
		return r.Origin == capture.OriginMeta && r.Kind == capture.KindStart
	})
}

func record(at int64, origin, kind string, v any) capture.Record {
	data, err := json.Marshal(v)
	if err != nil { // only types of package capture come here
		panic(err)
	}
	return capture.Record{Time: at, Origin: origin, Kind: kind, Data: data}
}
