package correlate_test

import (
	"testing"

	"dnatrace/correlate"
)

// narrowed makes a scene one that was captured with a filter.
func narrowed(expr string) func(*scene) {
	return func(s *scene) { s.filter = []string{expr} }
}

// hidings are about what may not be claimed because a filter may have hidden it.
var hidings = []row{
	{
		name:  "a filter for the client passes all that is about its request: its absence counts",
		but:   narrowed("host 198.51.100.9"),
		story: "0ms eth0 C > H S seq=100",
		want:  []string{"dropped between eth0 and docker0: unknown, inferred"},
	},
	{
		name:  "a filter for the protocols passes it as well",
		but:   narrowed("tcp or icmp"),
		story: "0ms eth0 C > H S seq=100",
		want:  []string{"dropped between eth0 and docker0: unknown, inferred"},
	},
	{
		name:  "a filter for the published port hides the request behind its translation",
		but:   narrowed("tcp port 8080 or icmp"),
		story: "0ms eth0 C > H S seq=100",
		want:  []string{"undetermined: unknown, inferred"},
		blind: `the capture filter "tcp port 8080 or icmp" may hide requests behind the translation`,
	},
	{
		name:  "one for both ports does not, and hides that it was rejected",
		but:   narrowed("tcp port 8080 or 80"),
		story: "0ms eth0 C > H S seq=100",
		want:  []string{"undetermined: unknown, inferred"},
		blind: "may hide ICMP errors to the client",
	},
	{
		name:  "one for requests hides the answers",
		but:   narrowed("dst port 8080 or dst port 80 or icmp"),
		story: syn + translated,
		want:  []string{"undetermined: unknown, via dnat to 172.17.0.2:80, inferred"},
		blind: "may hide answers to the client",
	},
	{
		name:  "one for short frames may hide anything",
		but:   narrowed("less 100"),
		story: "0ms eth0 C > H S seq=100",
		want:  []string{"undetermined: unknown, inferred"},
		blind: "may hide requests of the client",
	},
	{
		name:  "so may one that is not understood",
		but:   narrowed("tcp[13] & 2 != 0"),
		story: "0ms eth0 C > H S seq=100",
		want:  []string{"undetermined: unknown, inferred"},
		blind: `the capture filter "tcp[13] & 2 != 0" may hide`,
	},
	{
		name:  "without an engine, a capture for a port does not ask for what the port is translated to",
		but:   func(s *scene) { s.engine, s.target = nil, "8080" },
		story: "0ms eth0 C > H S seq=100\n" + translated,
		want:  []string{"undetermined: unknown, via dnat to 172.17.0.2:80, inferred"},
		blind: "172.17.0.2:80, to which the request is translated, was not captured",
	},
	{
		name:  "nor is it known what that would be",
		scene: packetsOnly,
		but:   func(s *scene) { s.target = "8080" },
		story: "0ms eth0 C > H S seq=100",
		want:  []string{"undetermined: unknown, inferred"},
		blind: "no engine told where the target's ports lead",
	},
	{
		name:  "what the kernel says that it dropped needs no absence",
		scene: packetsOnly,
		but:   func(s *scene) { s.target = "8080" },
		story: "0ms eth0 C > H S seq=100\n10ms dropped C > H NETFILTER_DROP",
		want:  []string{"dropped between eth0 and docker0: unknown, inferred"},
	},
	{
		name:  "nor does it under a filter",
		but:   narrowed("tcp port 8080"),
		story: "0ms eth0 C > H S seq=100\n10ms dropped C > H NETFILTER_DROP",
		want:  []string{"dropped between eth0 and docker0: unknown, inferred"},
	},
	{
		name:  "with the engine's mapping it does",
		but:   func(s *scene) { s.target = "8080" },
		story: "0ms eth0 C > H S seq=100\n" + translated,
		want:  []string{"dropped between eth0 and docker0: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "a reset that was seen is one, but who sent it is hidden",
		but:   narrowed("tcp port 8080 or icmp"),
		story: rstHost,
		want:  []string{"undetermined: unknown, inferred"},
		blind: "may hide requests behind the translation",
	},
}

func TestNothingIsAbsentThatAFilterHides(t *testing.T) { check(t, hidings) }

func TestTheDocumentNamesTheFilter(t *testing.T) {
	s := dockerHost()
	s.filter = []string{"tcp or icmp"}
	d := tell(s, "0ms eth0 C > H S seq=100").run(feeding{batch: 1})
	if len(d.Recording.Filter) != 1 || d.Recording.Filter[0] != "tcp or icmp" {
		t.Errorf("the filter is %q", d.Recording.Filter)
	}
	if d.Verdict != correlate.Dropped {
		t.Errorf("%v", d.Verdict)
	}
}
