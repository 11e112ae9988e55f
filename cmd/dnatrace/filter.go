package main

import (
	"strings"

	"github.com/spf13/cobra"

	"dnatrace/capture/filter"
	"dnatrace/capture/filter/program"
	"dnatrace/capture/target"
)

// narrow takes an expression that says which packets are captured; "" is none.
func (f *captureFlags) narrow(c *cobra.Command, expr string) (err error) {
	if strings.TrimSpace(expr) == "" {
		return nil
	}
	if f.filter, err = filter.Parse(expr); err == nil {
		_, err = program.Build(f.filter)
	}
	if err == nil {
		return nil
	}
	if _, bad := target.ParseAll([]string{expr}); bad == nil && c.Flags().Lookup("target") != nil {
		return usagef(c, "%v: name a target with --target", err)
	}
	return usagef(c, "%v", err)
}
