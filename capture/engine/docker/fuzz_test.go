package docker

import (
	"context"
	"testing"
	"time"
)

// FuzzEngine is an engine that answers anything: a snapshot of it is taken or refused,
// and its streams end.
func FuzzEngine(f *testing.F) {
	f.Add(infoPage, networksPage, listPage, webPage, `{"Type":"container","Action":"start","Actor":{"ID":"`+webID+`"}}`)
	f.Add(`{"ServerVersion":"29.1.0","EnableUserlandProxy":false}`, `[{"Id":"","IPAM":{"Config":null}}]`, `[{}]`, `{"NetworkSettings":null}`, `{"Type":"network"}`)
	f.Add(`{"ServerVersion":"x.y"}`, `null`, `[null]`, `{"HostConfig":{"PortBindings":{"x/y":[{}]}}}`, `[`)
	f.Fuzz(func(t *testing.T, info, networks, list, web, event string) {
		e := newFake(t)
		e.set("/info", info)
		e.set("/networks", networks)
		e.set("/containers/json", list)
		e.set("/containers/"+webID+"/json", web)
		e.set("/images/json", list)
		e.set("/v4.0.0/libpod/networks/json", networks)
		e.set("/version", info)
		d, err := Dial(context.Background(), "unix://"+e.host)
		if err != nil {
			return
		}
		defer d.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if s, err := d.Snapshot(ctx); (s == nil) == (err == nil) {
			t.Errorf("snapshot %v, error %v", s, err)
		}
		d.product(ctx)
		_, _ = d.Machine(ctx)
		_ = d.Sweep(ctx)
		select {
		case e.events <- event:
		default:
		}
		for _, err := range d.Source()(ctx) {
			if err != nil {
				break
			}
		}
	})
}
