package opener

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
)

// namespacePath are the forms of paths that the opener opens. Names in
// /run/netns have no slash and are neither "." nor "..".
var namespacePath = regexp.MustCompile(
	`^(/proc/[1-9][0-9]{0,9}/(ns/net|fd/[0-9]{1,9})|(/var)?/run/netns/([^/\x00.]|\.[^/\x00.]|\.\.[^/\x00])[^/\x00]*)$`)

// check refuses a request for anything but network namespaces. The path "" is
// the opener's own namespace; extra are those named when it was started.
func (r request) check(extra []string) error {
	if len(r.Options.Peers) > 4096 {
		return fmt.Errorf("%d peers are too many", len(r.Options.Peers))
	}
	for _, path := range append([]string{r.Path}, r.Options.Peers...) {
		if path != "" && !namespacePath.MatchString(path) && !slices.Contains(extra, path) {
			return fmt.Errorf("%q is not the path of a network namespace", path)
		}
	}
	if r.Op == opTraceUpdate && r.file == nil {
		return errors.New("no file came with it")
	}
	if r.Op == opNetns && r.PID <= 0 {
		return fmt.Errorf("%d is not a process", r.PID)
	}
	return nil
}

// ownSelf spells out /proc/self, which means someone else to the opener.
func ownSelf(path string) string {
	for _, self := range []string{"/proc/self/", "/proc/thread-self/"} {
		if rest, ok := strings.CutPrefix(path, self); ok {
			return fmt.Sprintf("/proc/%d/%s", os.Getpid(), rest)
		}
	}
	return path
}

// PathOf returns the path by which an opener of this process finds the
// namespace that f has open. It is valid as long as f is open.
func PathOf(f *os.File) string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd()) }
