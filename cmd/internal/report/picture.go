package report

import "strings"

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
	Failed                  bool
}

// band is a stretch of the way in one place: outside, the host, a container.
type band struct {
	X, W px
	Text string
	Odd  bool
}

// span is a stretch over which the destination stays the same.
type span struct {
	X, W, Mid px
	Text      string
	After     bool // behind a translation
}

// box is a stop.
type box struct {
	stop
	X, W, Mid   px
	Title, Line string // texts cut to the box
	Mark        px     // where the end is marked; valid iff End
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
	cell := pictureWidth / px(len(w.Stops))
	for n, s := range w.Stops {
		p.Boxes = append(p.Boxes, boxAt(s, px(n)*cell, cell))
	}
	p.bands(cell)
	p.spans(cell)
	p.lines()
	p.back(w)
	return p
}

func boxAt(s stop, x, cell px) box {
	width := min(cell-14, 128)
	if s.Action() {
		width = 34
	}
	b := box{stop: s, W: width, Mid: x + cell/2}
	b.X = b.Mid - width/2
	room := int((cell - 8) / 6.6)
	b.Title, b.Line = short(s.Name, room), short(s.Sub, int((cell-8)/5.7))
	b.Mark = b.Mid
	if s.Before {
		b.Mark = x
	}
	return b
}

func (p *picture) bands(cell px) {
	for n, b := range p.Boxes {
		if k := len(p.Bands) - 1; k >= 0 && p.Bands[k].Text == b.Zone {
			p.Bands[k].W += cell
			continue
		}
		p.Bands = append(p.Bands, band{X: px(n)*cell + 3, W: cell - 6, Text: b.Zone, Odd: len(p.Bands)%2 == 1})
	}
	for k := range p.Bands {
		p.Bands[k].Text = short(p.Bands[k].Text, int(p.Bands[k].W/7))
	}
}

// spans join neighbouring stops that saw the request with one destination.
func (p *picture) spans(cell px) {
	var last *span
	for n, b := range p.Boxes {
		if b.Kind == "client" || b.Address == "" || !b.Reached && b.Kind != "server" && b.Kind != "host" || !b.Reached {
			continue
		}
		x := px(n) * cell
		if last != nil && last.Text == b.Address {
			last.W = x + cell - last.X - 8
			last.Mid = last.X + last.W/2
			continue
		}
		s := span{X: x + 4, W: cell - 8, Text: b.Address, After: last != nil}
		s.Mid = s.X + s.W/2
		p.Spans = append(p.Spans, s)
		last = &p.Spans[len(p.Spans)-1]
	}
}

func (p *picture) lines() {
	ended := false
	for n := 1; n < len(p.Boxes); n++ {
		from, to := &p.Boxes[n-1], &p.Boxes[n]
		ended = ended || from.End != "" && !from.Before
		p.Failed = p.Failed || to.End != "" || from.End != ""
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
		p.Failed = true
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
