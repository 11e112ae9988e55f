package filter

import "slices"

// qualifier says what a value that follows stands for: "tcp src port". The zero
// value is none: no value may follow.
type qualifier struct {
	set   bool
	proto string // of protocols, "" any
	dir   Dir
	addr  string // host, net, port, portrange, proto; "" as good as host
}

// parser reads an expression from left to right. And and or have the same
// precedence, as tcpdump has it.
type parser struct {
	words []string
	depth int
	err   *Error
}

// Parse reads an expression. The error is an *Error.
func Parse(text string) (*Filter, error) {
	if len(text) > maxText {
		return nil, &Error{Word: text[:16] + "…", Why: "the expression is too long"}
	}
	p := &parser{words: words(text)}
	root, _ := p.expr(qualifier{}, false)
	if p.err == nil && len(p.words) > 0 {
		p.refuse("")
	}
	if p.err != nil {
		return nil, p.err
	}
	return &Filter{Text: text, Root: root}, nil
}

// next is the next word, "" at the end.
func (p *parser) next() string {
	if len(p.words) == 0 || p.err != nil {
		return ""
	}
	return p.words[0]
}

func (p *parser) take() string {
	w := p.next()
	if w != "" {
		p.words = p.words[1:]
	}
	return w
}

// accept takes the next word if it is one of these.
func (p *parser) accept(words ...string) string {
	if w := p.next(); w != "" && slices.Contains(words, w) {
		return p.take()
	}
	return ""
}

// refuse gives up at the next word. The first refusal counts.
func (p *parser) refuse(why string) *Node { return p.refused(p.next(), why) }

func (p *parser) refused(word, why string) *Node {
	if p.err == nil {
		p.err = &Error{Word: word, Why: why}
	}
	return test(Test{})
}

// expr reads operands joined by and and or. A value alone stands for what the
// one before it stood for. With valued set there are only values.
func (p *parser) expr(q qualifier, valued bool) (*Node, qualifier) {
	left, q := p.operand(q, valued)
	for {
		op := OpAnd
		switch p.accept("and", "or") {
		case "":
			return left, q
		case "or":
			op = OpOr
		}
		var right *Node
		right, q = p.operand(q, valued)
		left = join(op, left, right)
	}
}

func (p *parser) operand(q qualifier, valued bool) (*Node, qualifier) {
	if p.depth++; p.depth > maxDepth {
		return p.refuse("too deep"), q
	}
	defer func() { p.depth-- }()
	switch w := p.next(); {
	case p.accept("not") != "":
		n, q := p.operand(q, valued)
		return not(n), q
	case p.accept("(") != "":
		n, _ := p.expr(q, valued)
		if p.accept(")") == "" {
			return p.refuse("and, or, or a closing parenthesis is expected"), q
		}
		return n, q
	case q.set && !keywords[w]:
		return p.value(q), q
	case valued:
		return p.refuse("a value is expected"), q
	}
	return p.primitive()
}

// protocols are the words that may stand alone or in front of others.
var protocols = []string{"ether", "link", "ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "pim", "vrrp", "ah", "esp"}

var keywords = func() map[string]bool {
	m := map[string]bool{"": true}
	for _, w := range append([]string{"and", "or", "not", "(", ")", "/", "src", "dst", "host", "net", "port", "portrange",
		"proto", "mask", "vlan", "less", "greater", "multicast", "broadcast"}, protocols...) {
		m[w] = true
	}
	return m
}()

// primitive reads a test with its qualifiers.
func (p *parser) primitive() (*Node, qualifier) {
	switch {
	case p.accept("vlan") != "":
		return p.vlan(), qualifier{}
	case p.accept("less") != "":
		return test(Test{Kind: Short, Length: uint32(p.number(1<<31 - 1))}), qualifier{}
	case p.accept("greater") != "":
		return test(Test{Kind: Long, Length: uint32(p.number(1<<31 - 1))}), qualifier{}
	}
	before := p.next()
	q := qualifier{set: true, proto: p.accept(protocols...)}
	if q.proto == "link" {
		q.proto = "ether"
	}
	switch {
	case p.accept("multicast") != "":
		return p.multicast(q.proto), qualifier{}
	case p.accept("broadcast") != "":
		return p.broadcast(q.proto), qualifier{}
	}
	directed := p.direction(&q)
	q.addr = p.address(directed)
	if !directed && q.addr == "" {
		if q.proto == "" {
			return p.refuse(""), qualifier{}
		}
		return p.protocol(q.proto, before), qualifier{}
	}
	n, _ := p.operand(q, true)
	return n, q
}

// address takes the word for the sort of value; proto has no direction.
func (p *parser) address(directed bool) string {
	if directed {
		return p.accept("host", "net", "port", "portrange")
	}
	return p.accept("host", "net", "port", "portrange", "proto")
}

// direction reads src, dst, or both with a word in between.
func (p *parser) direction(q *qualifier) bool {
	first := p.accept("src", "dst")
	if first == "" {
		return false
	}
	q.dir = Src
	if first == "dst" {
		q.dir = Dst
	}
	other := map[string]string{"src": "dst", "dst": "src"}[first]
	if len(p.words) < 2 || p.words[1] != other || p.words[0] != "or" && p.words[0] != "and" {
		return true
	}
	q.dir = Either
	if p.take() == "and" {
		q.dir = Both
	}
	p.take()
	return true
}
