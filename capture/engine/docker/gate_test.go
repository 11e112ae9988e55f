package docker

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestOnlyQuestionsThatARunAsksArePassedOn(t *testing.T) {
	const id = "0123456789abcdef"
	for _, c := range []struct {
		method, target string
		passes         bool
	}{
		{"GET", "/_ping", true},
		{"HEAD", "/_ping", true},
		{"GET", "/v1.43/info", true},
		{"GET", "/version", true},
		{"GET", "/v1.43/events?since=1&filters=%7B%7D", true},
		{"GET", "/v1.43/networks", true},
		{"GET", "/v1.43/containers/json?all=1", true},
		{"GET", "/v1.43/containers/" + id + "/json", true},
		{"GET", "/v4.0.0/libpod/networks/json", true},

		{"POST", "/v1.43/containers/create", false},
		{"POST", "/v1.43/containers/" + id + "/json", false},
		{"PUT", "/v1.43/containers/" + id + "/archive", false},
		{"DELETE", "/v1.43/containers/" + id, false},
		{"POST", "/_ping", false},
		{"GET", "/v1.43/containers/" + id + "/archive?path=/etc/shadow", false},
		{"GET", "/v1.43/containers/" + id + "/export", false},
		{"GET", "/v1.43/containers/" + id + "/logs?stdout=1", false},
		{"GET", "/v1.43/containers/" + id + "/attach/ws", false},
		{"GET", "/v1.43/containers/" + id + "/top", false},
		{"GET", "/v1.43/images/json", false},
		{"GET", "/v1.43/secrets", false},
		{"GET", "/v1.43/swarm", false},
		{"GET", "/v1.43/containers/../secrets/json", false},
		{"GET", "/v1.43/containers/%2e%2e/json", false},
		{"GET", "/v1.43/containers/a%2Fjson", false},
		{"GET", "/v1.43/containers/" + id + "/json/", false},
		{"GET", "//containers/json", false},
		{"GET", "/", false},
	} {
		r := httptest.NewRequest(c.method, c.target, nil)
		if why := passes(r); (why == "") != c.passes {
			t.Errorf("%s %s: passes %t: %s", c.method, c.target, why == "", why)
		}
	}
}

// recorder notes what reaches the engine.
type recorder struct{ got []*http.Request }

func (r *recorder) RoundTrip(q *http.Request) (*http.Response, error) {
	r.got = append(r.got, q)
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Set-Cookie": {"x"}, "Api-Version": {"1.43"}}, Body: http.NoBody}, nil
}

func TestNothingButMethodPathAndQueryReachesTheEngine(t *testing.T) {
	var engine recorder
	q := httptest.NewRequest("GET", "/v1.43/events?since=1", nil)
	q.Header.Set("X-Registry-Auth", "secret")
	q.Header.Set("Upgrade", "h2c")
	q.Header.Set("Connection", "Upgrade")
	q.Host = "elsewhere"
	w := httptest.NewRecorder()
	(&gate{base: "http://docker", engine: &engine}).ServeHTTP(w, q)
	if len(engine.got) != 1 || engine.got[0].URL.String() != "http://docker/v1.43/events?since=1" || len(engine.got[0].Header) != 0 || engine.got[0].Host != "docker" {
		t.Errorf("the engine got %+v", engine.got)
	}
	if w.Header().Get("Api-Version") != "1.43" || w.Header().Get("Set-Cookie") != "" {
		t.Errorf("headers: %v", w.Header())
	}
	w = httptest.NewRecorder()
	(&gate{base: "http://docker", engine: &engine}).ServeHTTP(w, httptest.NewRequest("POST", "/v1.43/containers/create", nil))
	if w.Code != http.StatusForbidden || len(engine.got) != 1 {
		t.Errorf("a request to make a container: %d, and %d reached the engine", w.Code, len(engine.got))
	}
}
