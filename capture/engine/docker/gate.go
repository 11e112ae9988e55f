package docker

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
)

// asked are the paths that a run asks the engine for, and no others are passed on by
// the process that asks: what runs and is wired, and what happens. None of them changes
// anything, or reads what is in a container.
var asked = regexp.MustCompile(`^(/v[0-9]{1,2}\.[0-9]{1,3})?(/_ping|/version|/info|/events|/networks|/containers/json|/containers/[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}/json)$|^/v4\.0\.0/libpod/networks/json$`)

// passes reports why a request is not passed on to the engine; "" if it is.
func passes(r *http.Request) string {
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return r.Method + " may change something: GET alone is passed on"
	case !asked.MatchString(r.URL.EscapedPath()):
		return fmt.Sprintf("%q is none of the paths that are passed on", r.URL.EscapedPath())
	}
	return ""
}

// gate passes on what a run may ask, and answers as the engine does. Of a request it
// takes the method, the path and the query.
type gate struct {
	base   string // of the engine's URL: "http://docker"
	engine http.RoundTripper
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if why := passes(r); why != "" {
		http.Error(w, `{"message":"refused here: only questions are asked of the engine"}`, http.StatusForbidden)
		return
	}
	url := g.base + r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		url += "?" + r.URL.RawQuery
	}
	out, err := http.NewRequestWithContext(r.Context(), r.Method, url, nil)
	var resp *http.Response
	if err == nil {
		resp, err = g.engine.RoundTrip(out)
	}
	if err != nil {
		http.Error(w, fmt.Sprintf(`{"message":%q}`, err.Error()), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	for _, name := range []string{"Content-Type", "Api-Version", "Ostype", "Docker-Experimental", "Server"} {
		if v := resp.Header.Get(name); v != "" {
			w.Header().Set(name, v)
		}
	}
	w.WriteHeader(resp.StatusCode)
	to := atOnce{w, http.NewResponseController(w)}
	_ = to.c.Flush() // who waits for events waits for this first
	if _, err := io.Copy(to, resp.Body); err != nil {
		panic(http.ErrAbortHandler) // who asks is to see that it broke off
	}
}

// atOnce has every piece sent when it is there, as events come one by one.
type atOnce struct {
	http.ResponseWriter
	c *http.ResponseController
}

func (w atOnce) Write(b []byte) (int, error) {
	n, err := w.ResponseWriter.Write(b)
	if err == nil {
		err = w.c.Flush()
	}
	return n, err
}
