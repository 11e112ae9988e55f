package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCommand writes the manual pages that packages hold, one for each command.
func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use: "man FOLDER", Hidden: true, Args: cobra.ExactArgs(1),
		Short: "Write a manual page for each command",
		RunE: func(c *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("make the folder of manual pages: %w", err)
			}
			c.Root().DisableAutoGenTag = true
			date := time.Unix(0, 0) // the same pages whenever they are made
			header := doc.GenManHeader{Title: "DNATRACE", Section: "8", Source: "dnatrace " + buildVersion(), Manual: "System Administration", Date: &date}
			if err := doc.GenManTree(c.Root(), &header, args[0]); err != nil {
				return fmt.Errorf("write manual pages: %w", err)
			}
			return nil
		},
	}
}
