package report

import (
	"strings"

	"dnatrace/correlate"
)

// Measures of the path picture.
const (
	pictureWidth  px = 1000
	pictureHeight px = 236
	wayY          px = 122 // of the line of the request
	backY         px = 186 // of the line of the answer
	boxHeight     px = 58
)

// picture is the path picture, ready to be drawn.
type picture struct {
	W, H, WayY, BackY, BoxH px
	Bands                   []band
	Spans                   []span
	Boxes                   []box
	Lines                   []line
	Back                    *line
	Label                   string // the picture in words
	Check                   *dot   // where it was answered as it should be
}

// band is a stretch of the way in one place: outside, the host, a container.
type band struct {
	X, W px
	Text string
	Odd  bool
}

// span is a stretch over which the destination stays the same.
type span struct {
	X, W, Y px
	Text    string
	After   bool // behind a translation
}

// box is a stop.
type box struct {
	stop
	X, W, Mid   px
	Title, Line string // texts cut to the box
	Over        string // of an action: the table that its chain is in
	Mark, MarkY px     // where the end is marked; valid iff End
	cell        band   // the room it takes
}

// line is a stretch of the way.
type line struct {
	X1, X2 px
	Class  string // "went" or "missed"
	Lost   bool   // of the answer: it ended at X2
	Arrow  bool
}

func draw(w way) picture {
	p := picture{W: pictureWidth, H: pictureHeight, WayY: wayY, BackY: backY, BoxH: boxHeight, Label: inWords(w)}
	unit := unitOf(w.Stops)
	x := px(0)
	for _, s := range w.Stops {
		p.Boxes = append(p.Boxes, boxAt(s, x, weight(s)*unit))
		x += weight(s) * unit
	}
	p.bands()
	p.spans()
	p.lines()
	p.back(w)
	if w.Verdict == correlate.Delivered {
		last := p.Boxes[len(p.Boxes)-1]
		p.Check = &dot{last.X + last.W - 8, wayY - boxHeight/2}
	}
	return p
}

// weight is how much room a stop takes beside the others.
func weight(s stop) px {
	switch {
	case s.Kind == "client":
		return 1.3
	case s.Action():
		return 0.95
	}
	return 1
}

// unitOf is the room of a stop of weight 1.
func unitOf(all []stop) px {
	sum := px(0)
	for _, s := range all {
		sum += weight(s)
	}
	return pictureWidth / sum
}

func boxAt(s stop, x, cell px) box {
	width := min(cell-14, 150)
	if s.Action() {
		width = 34
	}
	b := box{stop: s, W: width, Mid: x + cell/2, cell: band{X: x, W: cell}}
	b.X = b.Mid - width/2
	room := int((cell - 8) / 6.9)
	name := s.Name
	if at := strings.LastIndexByte(name, ' '); s.Kind == "action" && at > 0 {
		b.Over, name = short(name[:at], room), name[at+1:]
	}
	b.Title, b.Line = short(name, room), short(s.Sub, int((cell-10)/6))
	switch {
	case s.Before:
		b.Mark, b.MarkY = x, wayY
	case s.Action():
		b.Mark, b.MarkY = b.Mid, wayY
	default:
		b.Mark, b.MarkY = b.Mid+width/2-8, wayY-boxHeight/2
	}
	return b
}

func (p *picture) bands() {
	for _, b := range p.Boxes {
		if k := len(p.Bands) - 1; k >= 0 && p.Bands[k].Text == b.Zone {
			p.Bands[k].W += b.cell.W
			continue
		}
		p.Bands = append(p.Bands, band{X: b.cell.X + 3, W: b.cell.W - 6, Text: b.Zone, Odd: len(p.Bands)%2 == 1})
	}
	for k := range p.Bands {
		p.Bands[k].Text = short(p.Bands[k].Text, int(p.Bands[k].W/7))
	}
}

// spans join neighbouring stops that saw the request with one destination. A
// text that is longer than its stretch is written above the next one's.
func (p *picture) spans() {
	for _, b := range p.Boxes {
		if b.Kind == "client" || b.Address == "" || !b.Reached {
			continue
		}
		if k := len(p.Spans) - 1; k >= 0 && p.Spans[k].Text == b.Address {
			p.Spans[k].W = b.cell.X + b.cell.W - p.Spans[k].X - 4
			continue
		}
		p.Spans = append(p.Spans, span{X: b.cell.X + 4, W: b.cell.W - 8, Y: 52, Text: b.Address, After: len(p.Spans) > 0})
	}
	for k := range p.Spans {
		if k > 0 && px(len(p.Spans[k-1].Text)+2)*7.3 > p.Spans[k].X-p.Spans[k-1].X {
			p.Spans[k].Y = 88 - p.Spans[k-1].Y
		}
	}
}

func (p *picture) lines() {
	ended := false
	for n := 1; n < len(p.Boxes); n++ {
		from, to := &p.Boxes[n-1], &p.Boxes[n]
		ended = ended || from.End != "" && !from.Before
		l := line{X1: from.X + from.W, X2: to.X, Class: "went", Arrow: true}
		switch {
		case to.End != "" && to.Before:
			p.Lines = append(p.Lines, line{X1: l.X1, X2: to.Mark, Class: "went"}, line{X1: to.Mark, X2: to.X, Class: "missed"})
			ended = true
			continue
		case ended:
			l.Class, l.Arrow = "missed", false
		}
		p.Lines = append(p.Lines, l)
	}
}

// back draws the way of the answer from the server, or from the last stop that
// saw one, to where it was seen last.
func (p *picture) back(w way) {
	from, to := -1, -1
	for n, s := range w.Stops {
		if s.Replied {
			from = n
			if to < 0 {
				to = n
			}
		}
	}
	if from < 0 {
		return
	}
	if w.Answered {
		to = 0
	}
	if k := len(w.Stops) - 1; w.Stops[k].Reached && (w.Stops[k].Kind == "server" || w.Stops[k].Kind == "host") {
		from = k
	}
	for n, s := range w.Stops {
		if s.End != "" && !s.Before && n >= from && s.Action() {
			from = n
		}
	}
	if from == to {
		from = min(from+1, len(w.Stops)-1)
	}
	p.Back = &line{X1: p.Boxes[from].Mid, X2: p.Boxes[to].Mid}
	if w.ReplyLost >= 0 {
		p.Back.Lost = true
		p.Back.X2 = p.Boxes[to].X - 12
	}
}

// inWords is the picture for those who do not see it.
func inWords(w way) string {
	var said []string
	for _, s := range w.Stops {
		switch {
		case s.End != "" && s.Before:
			said = append(said, s.End+" before "+s.Name)
		case s.End != "":
			said = append(said, s.Name+": "+s.End)
		case !s.Reached:
			said = append(said, s.Name+" not reached")
		case s.Action():
			said = append(said, s.Name+" "+s.Sub)
		default:
			said = append(said, s.Name)
		}
	}
	if w.ReplyText != "" {
		said = append(said, w.ReplyText)
	}
	return strings.Join(said, ", ")
}
