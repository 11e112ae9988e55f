package privilege

import (
	"fmt"
	"os"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
)

// inside takes every file from the process but those named, and the network unless it
// is left. Of an older kernel it asks what that can do.
func inside(l Limits) error {
	c := landlock.V11.BestEffort()
	if l.Paths { // who serves them may make them anew: no rule would hold for that
		c = landlock.V8.BestEffort()
	}
	var rules []landlock.Rule
	for _, path := range l.Read {
		if r, ok := readable(path); ok {
			rules = append(rules, r)
		}
	}
	for _, path := range l.Write {
		if st, err := os.Stat(path); err == nil && st.IsDir() {
			rules = append(rules, landlock.RWDirs(path))
		}
	}
	rules = append(rules, landlock.RWFiles(os.DevNull).IgnoreIfMissing())
	var err error
	if l.Network {
		err = c.RestrictPaths(rules...)
	} else {
		err = c.Restrict(rules...)
	}
	if err != nil {
		return fmt.Errorf("confine to files: %w", err)
	}
	return nil
}

// readable is the rule for a path that may be read, if it needs one: pipes and sockets
// that have a path, such as /dev/fd/63, are not files of a tree.
func readable(path string) (landlock.Rule, bool) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, false
	}
	if st.IsDir() {
		return landlock.RODirs(path), true
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil || fs.Type == unix.PIPEFS_MAGIC || fs.Type == unix.SOCKFS_MAGIC {
		return nil, false
	}
	return landlock.ROFiles(path), true
}

// landlockVersion is that of the kernel's interface, 0 where there is none.
func landlockVersion() int {
	const version = 1 // LANDLOCK_CREATE_RULESET_VERSION
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, version)
	if errno != 0 {
		return 0
	}
	return int(v)
}
