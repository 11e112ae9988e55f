package correlate

import (
	"testing"

	"dnatrace/capture/host"
)

func TestADumpIsNoBefore(t *testing.T) {
	if s := dated(&host.Sample{Undated: true}); s != nil {
		t.Error("a state of an unknown time is taken for an earlier one")
	}
	if s := dated(&host.Sample{}); s == nil {
		t.Error("a state with a time is left out")
	}
}
