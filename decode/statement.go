package decode

// Statement is an expression that reads no register and knows of itself how nft
// lists it and what becomes of a packet. Who prints and who evaluates rules asks
// nothing else of it: with its reader it is one file here, and its attributes are in
// the schemas of decode/redact, without which they are cleared.
type Statement interface {
	Expr
	Text() string                    // as nft lists it, "synproxy mss 1460"; "" for what nft does not show
	Fate() (does Effect, why string) // why is for who reads that the packet is not followed any further
}

// ExprNames are the kernel's names of the expressions that are read, in no order.
func ExprNames() []string {
	var out []string
	for name := range readers {
		out = append(out, name)
	}
	return out
}
