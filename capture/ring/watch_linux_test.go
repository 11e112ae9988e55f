package ring

import (
	"context"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"dnatrace/capture"
)

// watched is what a source told, copied out of its batches.
type watched struct {
	packets []capture.Packet
	frames  [][]byte
	points  []capture.Point
	losses  []capture.Loss
	until   int64
	broken  []string // promises not kept
}

// watch reads the ring until seen says it is enough, or 30 s have passed.
func watch(t *testing.T, r *Ring, seen func(*watched) bool) *watched {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return collect(t, ctx, r, func(w *watched) {
		if seen(w) {
			cancel()
		}
	})
}

func collect(t *testing.T, ctx context.Context, r *Ring, each func(*watched)) *watched {
	t.Helper()
	w := &watched{}
	for b, err := range r.Source()(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		w.add(t, b)
		each(w)
	}
	for _, s := range w.broken {
		t.Error(s)
	}
	return w
}

func (w *watched) add(t *testing.T, b *capture.Batch) {
	for _, p := range b.Packets {
		if p.Time < w.until {
			w.broken = append(w.broken, "a packet came "+time.Duration(w.until-p.Time).String()+" before what was promised")
		}
		if int(p.Point) >= len(w.points) {
			w.broken = append(w.broken, "a packet came before its point")
		}
		w.packets = append(w.packets, p)
		w.frames = append(w.frames, slices.Clone(b.Arena[p.Off:p.Off+p.Len]))
	}
	for _, rec := range b.Records {
		switch rec.Kind {
		case capture.KindPoint:
			w.points = append(w.points, into[capture.Point](t, rec.Data))
		case capture.KindLoss:
			w.losses = append(w.losses, into[capture.Loss](t, rec.Data))
		}
	}
	if b.Until != 0 && b.Until < w.until {
		w.broken = append(w.broken, "a promise was taken back")
	}
	w.until = max(w.until, b.Until)
}

func into[T any](t *testing.T, data []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// sightings are "point in" and "point out" in order.
func (w *watched) sightings() []string {
	var s []string
	for _, p := range w.packets {
		dir := map[capture.Direction]string{capture.DirIn: " in", capture.DirOut: " out"}[p.Dir]
		s = append(s, w.points[p.Point].Name+dir)
	}
	return s
}
