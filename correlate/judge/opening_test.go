package judge_test

import (
	"testing"

	"dnatrace/decode"
)

// What names a request on every host that sees it is what its first packet had.
func TestAConnectionIsKnownByItsFirstSYN(t *testing.T) {
	for _, row := range []struct {
		fixture string
		others  int // connections that it was made into
	}{
		{"delivered", 0},
		{"demo-forward-drop", 0},
		{"delivered-rules-flushed", 1}, // docker-proxy's
		{"delivered-ipv6-proxy", 1},
	} {
		t.Run(row.fixture, func(t *testing.T) {
			_, d := judged(t, row.fixture)
			if len(d.Requests) == 0 {
				t.Fatal("there is no request")
			}
			for _, r := range d.Requests {
				if len(r.Openings) != 1+row.others {
					t.Fatalf("%s of %s has openings %+v", r.ID, r.Client, r.Openings)
				}
				for n, o := range r.Openings {
					if !o.Known || o.Protocol != decode.TCP || o.Number == 0 || o.Stamp == 0 || o.At.Before(r.First) || o.At.After(r.Last) {
						t.Errorf("the opening is %+v", o)
					}
					if n == 0 && (o.At != r.First || (decode.Tuple{Src: o.Client, SrcPort: o.Port}).SrcEnd() != r.Client) {
						t.Errorf("%s is not the client, %s", o.Client.Addr(), r.Client)
					}
					if n > 0 && (o.Number == r.Openings[0].Number || o.Client == r.Openings[0].Client) {
						t.Errorf("docker-proxy's connection is the client's: %+v", o)
					}
				}
			}
		})
	}
}
