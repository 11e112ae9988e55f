package ruletrace

import "testing"

func TestALoggerIsFoundWhereOneIsBound(t *testing.T) {
	const loggers = ` 0 NONE (nfnetlink_log)
 1 NONE (nfnetlink_log)
 2 nf_log_syslog (nf_log_syslog,nfnetlink_log)
 7 NONE (nf_log_syslog)
10 NONE (nf_log_syslog,nfnetlink_log)
`
	for family, want := range map[int]bool{2: true, 10: false, 1: false, 12: false} {
		if got := bound(loggers, family); got != want {
			t.Errorf("family %d: %t", family, got)
		}
	}
}
