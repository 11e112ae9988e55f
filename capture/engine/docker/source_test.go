package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/engine"
)

// observe ranges over a source; step is called with every record in short form
// and ends the source by returning false.
func observe(t *testing.T, e *Engine, step func(line string, cancel func())) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var lines []string
	var promised int64
	for b, err := range e.Source()(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Records {
			if r.Time < promised {
				t.Errorf("record of %d after the promise of %d", r.Time, promised)
			}
			lines = append(lines, short(t, r))
			step(lines[len(lines)-1], cancel)
		}
		promised = b.Until
	}
	return lines
}

func short(t *testing.T, r capture.Record) string {
	t.Helper()
	switch r.Kind {
	case capture.KindSnapshot:
		var s engine.Snapshot
		unmarshal(t, r.Data, &s)
		return "snapshot " + s.Containers[0].State
	case capture.KindEvent:
		var ev engine.Event
		unmarshal(t, r.Data, &ev)
		return "event " + ev.Action + " " + ev.Name
	case capture.KindSource:
		var st capture.SourceState
		unmarshal(t, r.Data, &st)
		return "source " + st.Name + " " + string(st.State)
	}
	return "unexpected " + r.Kind
}

func unmarshal(t *testing.T, data []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

func message(action string) string {
	return fmt.Sprintf(`{"Type":"container","Action":%q,"Actor":{"ID":"4f1c","Attributes":{"name":"web","token":"hunter2"}},"timeNano":%d}`,
		action, time.Now().UnixNano())
}

func TestSourceTellsAnEventAndThenWhatCameOfIt(t *testing.T) {
	f := newFake(t)
	lines := observe(t, f.dial(t), func(line string, cancel func()) {
		switch line {
		case "source engine ok":
			f.set("/containers/"+webID+"/json", strings.Replace(webPage, `"paused"`, `"running"`, 1))
			f.events <- message("exec_start: echo hunter2")
			f.events <- message("health_status: hunter2 was here")
			f.events <- message("unpause")
		case "snapshot running":
			cancel()
		}
	})
	want := []string{"snapshot paused", "source engine ok", "event health_status web", "event unpause web", "snapshot running", "snapshot running"}
	if !slices.Equal(lines, want) {
		t.Errorf("got  %q\nwant %q", lines, want)
	}
}

func TestSourceReconnectsAfterTheEngineWentAway(t *testing.T) {
	f := newFake(t)
	oks := 0
	lines := observe(t, f.dial(t), func(line string, cancel func()) {
		switch line {
		case "source engine ok":
			if oks++; oks == 2 {
				cancel()
				return
			}
			f.stop()
		case "source engine failed":
			f.listen(t)
		}
	})
	want := []string{"snapshot paused", "source engine ok", "source engine failed", "snapshot paused", "source engine ok", "snapshot paused"}
	if !slices.Equal(lines, want) {
		t.Errorf("got  %q\nwant %q", lines, want)
	}
}

func TestStormOfEventsCostsFewSnapshots(t *testing.T) {
	f := newFake(t)
	started, seen := time.Time{}, 0
	observe(t, f.dial(t), func(line string, cancel func()) {
		if line == "source engine ok" {
			started = time.Now()
			go func() {
				for range 100 {
					f.events <- message("die")
					time.Sleep(5 * time.Millisecond)
				}
			}()
		}
		if line == "event die web" {
			if seen++; seen == 100 {
				cancel()
			}
		}
	})
	most := 3 + int(time.Since(started)/snapshotEvery)
	if got := f.count("/containers/json"); got > most {
		t.Errorf("%d snapshots for 100 events, want at most %d", got, most)
	}
}

func TestIdleSourceKeepsPromising(t *testing.T) {
	f := newFake(t)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	batches, late := 0, time.Duration(0)
	for b := range f.dial(t).Source()(ctx) {
		late = max(late, time.Since(time.Unix(0, b.Until)))
		if batches++; batches == 20 {
			break // the consumer may walk away
		}
	}
	if late > time.Second {
		t.Errorf("promised up to %s behind the present", late)
	}
}
