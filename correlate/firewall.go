package correlate

import (
	"dnatrace/decode"
)

// inputDrop looks in the rules of a container's own namespace for one that
// drops what comes in. Rulesets are kept raw; without a reader for them there
// is nothing to find.
func (w *world) inputDrop(container string, t decode.Tuple, since int64) (string, bool) {
	return "", false
}
