// Command causes writes the catalogue of causes as Markdown to a file, for go
// generate. It ships with nothing.
package main

import (
	"fmt"
	"os"

	"dnatrace/correlate/catalogue"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: causes FILE")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], []byte(catalogue.Markdown()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "write catalogue:", err)
		os.Exit(1)
	}
}
