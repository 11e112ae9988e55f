package render

import "dnatrace/correlate"

// painter colours text iff it is true (ECMA-48 SGR sequences).
type painter bool

const (
	red     = "\x1b[1;31m"
	green   = "\x1b[32m"
	yellow  = "\x1b[1;33m"
	faint   = "\x1b[2m"
	strong  = "\x1b[1m"
	reverse = "\x1b[7m"
	reset   = "\x1b[0m"
)

func (p painter) verdict(v correlate.Verdict, s string) string {
	switch v {
	case correlate.Delivered:
		return p.in(green, s)
	case correlate.Undetermined:
		return p.in(yellow, s)
	case correlate.Misdelivered, correlate.Refused, correlate.Dropped, correlate.Unanswered, correlate.AnswerLost, correlate.Stalled, correlate.Absent:
	}
	return p.in(red, s)
}

func (p painter) dim(s string) string { return p.in(faint, s) }

func (p painter) bold(s string) string { return p.in(strong, s) }

func (p painter) in(color, s string) string {
	if !p || s == "" {
		return s
	}
	return color + s + reset
}
