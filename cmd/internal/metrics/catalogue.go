package metrics

import "github.com/prometheus/client_golang/prometheus"

// Metric is one that is served, as docs/METRICS.md lists it.
type Metric struct {
	Name   string
	Type   string // counter, gauge or histogram
	Labels []string
	Help   string // what it says, one sentence or two
}

// targetLabels say what was asked.
var targetLabels = []string{"port", "protocol", "container", "project", "service"}

// The metrics.
var (
	requestsTotal = Metric{"dnatrace_requests_total", "counter", with("verdict", "cause"),
		"Requests by what became of them. Each is counted once, when its judgement is final for the first time."}
	failuresTotal = Metric{"dnatrace_failures_total", "counter", targetLabels,
		"Requests that did not get through, each once: those settled so, and those found so after they had been settled as delivered or undetermined. It is there, as 0, as soon as a port is published."}
	revisedTotal = Metric{"dnatrace_requests_revised_total", "counter", []string{"was", "verdict"},
		"Requests that were judged otherwise after they had been counted; dnatrace_requests_total stays as it is."}
	connectSeconds = Metric{"dnatrace_connect_seconds", "histogram", targetLabels,
		"From the client's first SYN to the handshake's end, of settled requests."}
	firstByteSeconds = Metric{"dnatrace_first_byte_seconds", "histogram", targetLabels,
		"From the client's first packet to the first byte of the answer, of settled requests."}
	hopSeconds = Metric{"dnatrace_hop_seconds", "histogram", []string{"direction", "from", "to"},
		"From one point to the next on the way of a delivered request or of its answer, first packets only, by the roles of both points (nic, bridge, veth, container, loopback, overlay, other). Of the requests that are laid out in full: of each port the first, and then at most two a second."}
	openRequests = Metric{"dnatrace_requests_open", "gauge", nil,
		"Requests without an outcome so far. 0, too, while more than 65,536 requests are held: they are not looked through then."}
	floodsTotal = Metric{"dnatrace_floods_total", "counter", nil,
		"Floods of made-up requests that were seen."}
	floodedTotal = Metric{"dnatrace_flooded_requests_total", "counter", nil,
		"Requests that were told as part of a flood, and are counted as nothing else."}
	packetsTotal = Metric{"dnatrace_packets_total", "counter", nil,
		"Packets captured at all points."}
	lostTotal = Metric{"dnatrace_packets_lost_total", "counter", []string{"netns"},
		"Packets that a capture ring lost, by the namespace it is in: host, or a container's name."}
	sourceState = Metric{"dnatrace_source_state", "gauge", []string{"source", "state"},
		"1 for the state that a source of evidence is in: ok, absent or failed. /healthz tells why."}
	streamTime = Metric{"dnatrace_stream_time_seconds", "gauge", nil,
		"Time up to which the stream has been judged, Unix time. Of a live host it is now, less a moment."}
	streamEnded = Metric{"dnatrace_stream_ended", "gauge", nil,
		"1 once nothing more will come."}
	labelSets = Metric{"dnatrace_label_sets", "gauge", []string{"of"},
		"Label sets in use: of targets (port, protocol, container, project, service) and of outcomes (those, verdict and cause)."}
	withoutRoom = Metric{"dnatrace_requests_without_label_set_total", "counter", nil,
		"Settled requests that were counted with port=\"others\", as there was no room for a label set of their own."}
	releasedSets = Metric{"dnatrace_label_sets_released_total", "counter", nil,
		"Targets that were forgotten to make room: published no more, and not asked for an hour."}
	otlpSent = Metric{"dnatrace_otlp_sent_total", "counter", []string{"signal"},
		"Spans and log records that the receiver of --otlp took."}
	otlpDropped = Metric{"dnatrace_otlp_dropped_total", "counter", []string{"reason"},
		"Requests that were to be sent there and were not: full, there was no room for them; refused, the receiver would not have them; end, the run was over."}
	otlpFailures = Metric{"dnatrace_otlp_failures_total", "counter", nil,
		"Tries to send that failed; what was to be sent is tried again, unless it is refused."}
	otlpWaiting = Metric{"dnatrace_otlp_waiting", "gauge", nil,
		"Requests that wait to be sent."}
	buildInfo = Metric{"dnatrace_build_info", "gauge", []string{"version", "goversion"},
		"1, with the version of dnatrace and of the Go it was built with."}
)

// Catalogue lists every metric of dnatrace's own. Beside them are go_… and
// process_…, the runtime's and the process's.
var Catalogue = []Metric{
	requestsTotal, failuresTotal, revisedTotal, connectSeconds, firstByteSeconds, hopSeconds, openRequests,
	floodsTotal, floodedTotal, packetsTotal, lostTotal, sourceState, streamTime, streamEnded,
	labelSets, withoutRoom, releasedSets, otlpSent, otlpDropped, otlpFailures, otlpWaiting, buildInfo,
}

// with are the target's labels and some more.
func with(more ...string) []string { return append(append([]string{}, targetLabels...), more...) }

func (m Metric) counters() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: m.Name, Help: m.Help}, m.Labels)
}

func (m Metric) counter() prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: m.Name, Help: m.Help})
}

func (m Metric) gauges() *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: m.Name, Help: m.Help}, m.Labels)
}

func (m Metric) gauge() prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: m.Name, Help: m.Help})
}

func (m Metric) histograms(bounds []float64) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: m.Name, Help: m.Help, Buckets: bounds,
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: nativeBuckets, NativeHistogramMinResetDuration: nativeReset,
	}, m.Labels)
}
