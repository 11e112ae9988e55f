// Command supply says what the program is made of: a bill of materials (CycloneDX), the
// licences of all modules that are linked in, and docs/DEPENDENCIES.md, with why each
// direct dependency is there and what it costs. It ships with nothing.
//
//	go run ./cmd/internal/supply sbom VERSION > dnatrace.cdx.json
//	go run ./cmd/internal/supply licences > LICENSES.txt
//	go run ./cmd/internal/supply dependencies > docs/DEPENDENCIES.md
//
// It asks the go tool and must not import anything of ours.
package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "supply:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) == 0 {
		args = []string{""}
	}
	p, err := load(".")
	if err != nil {
		return err
	}
	switch args[0] {
	case "sbom":
		version := "devel"
		if len(args) > 1 {
			version = args[1]
		}
		return p.bill(out, version)
	case "licences":
		return p.licences(out)
	case "dependencies":
		return p.dependencies(out)
	}
	return fmt.Errorf("%q is none of sbom, licences, dependencies", args[0])
}
