package docker

import (
	"context"
	"testing"
)

// The bridge of a network is what podman's own API says, not what Docker would call
// it; where that API does not tell, it is not given.
func TestPodmanTellsItsBridgesItself(t *testing.T) {
	for _, row := range []struct {
		story, own, want string
	}{
		{"podman tells", `[{"id":"2f259bab93aaaaa2542ba43ef33eb990d0999ee1b9924b557b7be53c0b7a1bb9","network_interface":"podman0"}]`, "podman0"},
		{"podman does not", `{}`, ""},
	} {
		t.Run(row.story, func(t *testing.T) {
			f := newFake(t)
			f.set("/version", `{"Version":"4.3.1","Components":[{"Name":"Podman Engine","Version":"4.3.1"}]}`)
			f.set("/networks", `[{"Name":"bridge","Id":"2f259bab93aaaaa2542ba43ef33eb990d0999ee1b9924b557b7be53c0b7a1bb9","Driver":"bridge","IPAM":{"Config":[{"Subnet":"10.88.0.0/16","Gateway":"10.88.0.1"}]}}]`)
			f.set("/v4.0.0/libpod/networks/json", row.own)
			e, err := Dial(context.Background(), "unix://"+f.host)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			s, err := e.Snapshot(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if s.Version != "Podman 28.5.2" || s.Networks[0].Bridge != row.want {
				t.Errorf("%s has the bridge %q, want %q", s.Version, s.Networks[0].Bridge, row.want)
			}
		})
	}
}
