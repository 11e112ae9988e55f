package capture

import "time"

// Pulse is how often live sources look for news. All look at the same moments:
// an idle process wakes once for all of them, a busy one is woken by nobody, and
// whoever sends the packets does not pay for waking their watcher. A wake-up of
// its own for each source, and for each block that a ring fills, costs more than
// all else that is done for a hundred thousand packets a second.
const Pulse = 20 * time.Millisecond

var firstPulse = time.Now()

// Rest sleeps until the next pulse.
func Rest() { time.Sleep(ToPulse()) }

// ToPulse is how long it is until the next pulse, for those who wait for other
// things as well.
func ToPulse() time.Duration { return Pulse - time.Since(firstPulse)%Pulse }
