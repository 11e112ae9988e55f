package main

import (
	"os"
	"path/filepath"
	"slices"
	"time"

	"dnatrace/capture/opener"
	"dnatrace/capture/privilege"
)

// forNames are the files by which names are looked up and certificates are checked.
var forNames = []string{
	"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/machine-id",
	"/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem", "/etc/pki/tls/certs", "/etc/pki/tls/cert.pem",
	"/etc/pki/ca-trust/extracted", "/etc/ca-certificates/extracted", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates",
}

// limits are those of a live run once everything is armed: the packets and records of
// its sockets, and the directories in which it goes on making files.
func (s *session) limits(f *captureFlags) privilege.Limits {
	l := privilege.Limits{Network: true, Read: slices.Clone(forNames), Write: []string{os.TempDir()}}
	if f.looks {
		l.Read = append(l.Read, "/proc") // whose processes the engine's containers are
	}
	making := f.making()
	l.Write = append(l.Write, making...)
	if f.creates() {
		l.Capabilities = opener.Files
	}
	// The opener finds by /proc what this process has open, which takes a capability
	// once that is another user's.
	traces := !slices.ContainsFunc(s.lacks, func(m opener.Missing) bool { return m.Privilege == "CAP_SYS_PTRACE" })
	l.Nobody = traces && len(making) == 0 && publicDirectory(os.TempDir())
	return l
}

// making are the directories in which files are made while the run goes on.
func (f *captureFlags) making() (dirs []string) {
	for _, dir := range []string{f.save, f.savesTo} {
		if dir != "" {
			dirs = append(dirs, dir)
		}
	}
	if f.turns != nil {
		dirs = append(dirs, steady(func(t time.Time) string { return filepath.Dir(f.turns.Name.At(t)) }))
	}
	return dirs
}

// steady is the directory above all that a name stands for in the course of time.
func steady(at func(time.Time) string) string {
	now := time.Now()
	dir := at(now)
	for _, other := range []time.Time{now.Add(time.Hour), now.AddDate(0, 0, 1), now.AddDate(0, 1, 1), now.AddDate(1, 1, 1)} {
		for o := at(other); o != dir; {
			if len(o) > len(dir) {
				o = filepath.Dir(o)
			} else {
				dir = filepath.Dir(dir)
			}
		}
	}
	return dir
}

// publicDirectory reports whether every user may make files in a directory.
func publicDirectory(dir string) bool {
	st, err := os.Stat(dir)
	return err == nil && st.Mode().Perm()&0o003 == 0o003
}
