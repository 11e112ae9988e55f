// Command causes writes the catalogue of causes as Markdown, with a page for
// each cause, for go generate. It ships with nothing, and must not import what
// captures live.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: causes FOLDER")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "write catalogue:", err)
		os.Exit(1)
	}
}

// write writes CAUSES.md, REASONS.md and causes/CODE.md below a folder, and removes pages
// of causes that are no more.
func write(folder string) error {
	all, err := pages()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(folder, pagesFolder), 0o755); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(folder, pagesFolder, "*.md"))
	if err != nil {
		return err
	}
	for _, f := range old {
		if _, ok := all[pagesFolder+"/"+filepath.Base(f)]; !ok {
			if err := os.Remove(f); err != nil {
				return err
			}
		}
	}
	for name, text := range all {
		if err := os.WriteFile(filepath.Join(folder, filepath.FromSlash(name)), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
