package main

import (
	"fmt"
	"strings"

	"dnatrace/correlate"
)

// reasonsPage is the table of the kernel's reasons for drops.
func reasonsPage() string {
	var b strings.Builder
	b.WriteString(written + "# Reasons of the kernel\n\n")
	b.WriteString("A kernel since 5.17 says why it drops a packet (enum skb_drop_reason; those of 6.1 to 6.18 are here). ")
	b.WriteString("What dnatrace makes of each, for a request on its way in: where the reason alone names what to change, a cause; else a sentence, and the cause comes from rules and state. ")
	b.WriteString("Those of the packet filter, of reverse paths, of neighbours and of link-layer addresses are held against the rules, routes, neighbours and interfaces first.\n\n")
	b.WriteString("| reason | what it means | cause |\n|---|---|---|\n")
	for _, name := range correlate.DropReasons() {
		means, cause := correlate.ExplainDrop(name)
		code := ""
		if cause != "" {
			code = fmt.Sprintf("[`%s`](%s/%s.md)", cause, pagesFolder, cause)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, means, code)
	}
	return b.String()
}
