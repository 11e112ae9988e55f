package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"dnatrace/capture/engine"
)

// podman is the name of the engine whose API is compatible with Docker's.
const podman = "podman"

// product is the name of an engine that is none of Docker's, by what it says it is made
// of; "" for Docker's, and where it does not tell.
func (e *Engine) product(ctx context.Context) string {
	v, err := e.cli.ServerVersion(ctx)
	if err != nil {
		return ""
	}
	for _, c := range v.Components {
		if strings.HasPrefix(c.Name, "Podman") {
			return podman
		}
	}
	return ""
}

// bridges puts right which bridges podman's networks have: the compatible API leaves
// that out, and podman does not name them as Docker does. Where its own API does not
// tell, they are not given.
func (e *Engine) bridges(ctx context.Context, nets []engine.Network) {
	var told []struct {
		ID        string `json:"id"`
		Interface string `json:"network_interface"`
	}
	_ = e.get(ctx, "/v4.0.0/libpod/networks/json", &told)
	for i := range nets {
		if nets[i].Driver == "bridge" {
			nets[i].Bridge = ""
		}
		for _, t := range told {
			if t.ID == nets[i].ID {
				nets[i].Bridge = t.Interface
			}
		}
	}
}

// get reads what the client has no words for. Over tcp with certificates it cannot.
func (e *Engine) get(ctx context.Context, path string, into any) error {
	base := "http://docker"
	if address, ok := strings.CutPrefix(e.host, "tcp://"); ok {
		base = "http://" + address
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	if err != nil {
		return err
	}
	resp, err := e.cli.HTTPClient().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ask engine for %s: %s", path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}
