package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"dnatrace/capture/recording"
	"dnatrace/correlate"
)

// version and revision are set by the linker in releases.
var version, revision string

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, and those of the formats it reads and writes",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef(c, "unexpected argument %q", args[0])
			}
			_, err := fmt.Fprint(a.out, versionText())
			return err
		},
	}
}

// versionText is what version and --version print.
func versionText() string {
	return fmt.Sprintf("dnatrace %s\ncommit %s\n%s %s/%s\nrecording format %d\nJSON schema %s\n",
		buildVersion(), buildCommit(), runtime.Version(), runtime.GOOS, runtime.GOARCH, recording.Format, correlate.Schema)
}

// buildVersion is the linker's, else what the Go tool noted: a module version,
// or the commit, marked if the tree had changes.
func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	return commit(info.Settings)
}

// buildCommit is the linker's, else what the Go tool noted; "unknown" without either.
func buildCommit() string {
	if revision != "" {
		return revision
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return "unknown"
}

func commit(settings []debug.BuildSetting) string {
	revision, changed := "devel", ""
	for _, s := range settings {
		switch {
		case s.Key == "vcs.revision":
			revision = fmt.Sprintf("devel-%.12s", s.Value)
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+changes"
		}
	}
	return revision + changed
}
