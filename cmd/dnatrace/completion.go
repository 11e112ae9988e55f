package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dnatrace/capture/engine"
	"dnatrace/capture/engine/docker"
	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
	"dnatrace/correlate/foresee"
	"dnatrace/fixtures"
	"dnatrace/fixtures/lab"
)

// completesIn is how long a shell waits for the engine while somebody completes a word.
const completesIn = time.Second

// completing gives the words that a shell completes: arguments and the values of flags.
func completing(root *cobra.Command) {
	_ = root.RegisterFlagCompletionFunc("lang", ofWords([]string{"en", "zh"}))
	_ = root.RegisterFlagCompletionFunc("color", ofWords([]string{"auto", "always", "never"}))
	for _, c := range root.Commands() {
		switch c.Name() {
		case "diagnose", "watch", "explain", "probe":
			c.ValidArgsFunction = completeTargets
		case "demo":
			c.ValidArgsFunction = completeScenarios
		case "ports", "topology", "doctor", "version":
			c.ValidArgsFunction = cobra.NoFileCompletions
		}
		completeFlags(c)
	}
}

func completeFlags(c *cobra.Command) {
	for name, f := range map[string]cobra.CompletionFunc{
		"target": completeTargets, "expect": completeExpectations, "verdict": ofWords(verdictNames()), "cause": ofWords(causeNames()),
		"place": ofWords(foresee.Places),
	} {
		if c.Flags().Lookup(name) != nil {
			_ = c.RegisterFlagCompletionFunc(name, f) // it fails only for a flag that is not there
		}
	}
	if f := c.Flags().Lookup("output"); f != nil && strings.Contains(f.Value.Type(), "|") {
		_ = c.RegisterFlagCompletionFunc("output", ofWords(strings.Split(f.Value.Type(), "|")))
	}
}

// ofWords completes from a list, also behind commas.
func ofWords(words []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		before := begun[:strings.LastIndexByte(begun, ',')+1]
		var all []string
		for _, w := range words {
			all = append(all, before+w)
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	}
}

func verdictNames() (all []string) {
	for v := correlate.Undetermined; v <= correlate.Absent; v++ {
		all = append(all, v.String())
	}
	return all
}

func causeNames() (all []string) {
	for _, c := range correlate.Causes() {
		all = append(all, string(c))
	}
	return all
}

// completeExpectations completes VERDICT, and the cause behind its colon.
func completeExpectations(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	verdict, _, hasCause := strings.Cut(begun, ":")
	if !hasCause {
		return verdictNames(), cobra.ShellCompDirectiveNoFileComp
	}
	var all []string
	for _, c := range causeNames() {
		all = append(all, verdict+":"+c)
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

func completeScenarios(_ *cobra.Command, args []string, _ string) (all []string, _ cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for _, s := range lab.Scenarios() {
		all = append(all, s.Name+"\t"+s.Story)
	}
	if len(all) == 0 {
		for _, name := range fixtures.Demos() {
			if rest, ok := strings.CutPrefix(name, "demo-"); ok {
				all = append(all, rest)
			}
		}
	}
	return all, cobra.ShellCompDirectiveNoFileComp
}

// completeTargets asks the engine for containers, services and published ports, each
// with what it is. Without an engine there is nothing to complete.
func completeTargets(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(c.Context(), completesIn)
	defer cancel()
	host := ""
	if f := c.Flags().Lookup("host"); f != nil {
		host = f.Value.String()
	}
	e, err := docker.Dial(ctx, host)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer e.Close()
	s, err := e.Snapshot(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return targetWords(s), cobra.ShellCompDirectiveNoFileComp
}

// targetWords are what a target may be by a snapshot of the engine, each with what it
// is behind a tab.
func targetWords(s *engine.Snapshot) (all []string) {
	word := func(w, about string) { all = append(all, render.Clean(w)+"\t"+render.Clean(about)) }
	for _, c := range s.Containers {
		for _, m := range c.Mappings {
			if m.HostPort == 0 {
				continue
			}
			port := fmt.Sprint(m.HostPort)
			if m.Proto != "tcp" {
				port += "/" + m.Proto
			}
			word(port, fmt.Sprintf("%s, its port %d", c.Name, m.Container))
		}
	}
	for _, c := range s.Containers {
		word(c.Name, "container, "+c.State)
	}
	for _, c := range s.Containers {
		if c.Service != "" {
			word(c.Project+"/"+c.Service, "compose service")
			word(c.Project, "compose project")
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
