package watch

import "strings"

// Action is what a key asks for that a View cannot do.
type Action int

// Actions.
const (
	None Action = iota
	Quit
	Explain // the selected port: see Selected
	Save    // a recording of what was seen
	Report  // of the selected port
)

// Key is told of a key by its name (up, enter, esc, ctrl+c, …), and of the text
// that it writes, "" for none.
func (v *View) Key(m *Model, key, text string) Action {
	if v.paused != nil {
		m = v.paused
	}
	v.message = ""
	if key == "ctrl+c" {
		return Quit
	}
	if v.typing {
		v.write(key, text)
		return None
	}
	switch key {
	case "q":
		return Quit
	case "?", "h":
		v.Open("help", help)
		return None
	case "e", "w", "r":
		if v.page != pageText || key == "w" {
			return map[string]Action{"e": Explain, "w": Save, "r": Report}[key]
		}
	case "esc", "left", "backspace":
		v.back()
		return None
	}
	switch v.page {
	case pagePorts:
		v.inPorts(m, key)
	case pagePort:
		v.inPort(m, key)
	case pageText:
		v.text.top = max(0, v.text.top+v.step(key))
	}
	return None
}

// Pause stops the picture at what a Model is now, or has it go on.
func (v *View) Pause(m *Model) {
	if v.paused != nil {
		v.paused = nil
		return
	}
	v.paused = m.Clone()
}

func (v *View) write(key, text string) {
	const longest = 64
	switch key {
	case "enter":
		v.typing = false
	case "esc":
		v.typing, v.filter = false, ""
	case "backspace":
		if r := []rune(v.filter); len(r) > 0 {
			v.filter = string(r[:len(r)-1])
		}
	default:
		if len(v.filter)+len(text) <= longest {
			v.filter += text
		}
	}
}

// back is one page up; on the first it clears the filter.
func (v *View) back() {
	switch v.page {
	case pageText:
		v.page = v.before
	case pagePort:
		v.page = pagePorts
	case pagePorts:
		v.filter = ""
	}
}

func (v *View) inPorts(m *Model, key string) {
	switch key {
	case "/":
		v.typing = true
	case "f":
		v.failures = !v.failures
	case "s":
		v.sort = (v.sort + 1) % orders
	case "S", "shift+s":
		v.sort = (v.sort + orders - 1) % orders
	case "enter", "right":
		if m.byID(v.ports.id) != nil {
			v.ports.moved = true // to be found there again
			v.page, v.port, v.inside = pagePort, v.ports.id, cursor{}
		}
	case "p", "space", " ":
		v.Pause(m)
	default:
		v.ports.move(v.step(key))
	}
}

func (v *View) inPort(m *Model, key string) {
	switch key {
	case "enter", "right":
		if i := v.selected(m); i != nil {
			v.openRequest(i.title, i.held)
		}
	case "p", "space", " ":
		v.Pause(m)
	default:
		v.inside.move(v.step(key))
	}
}

// move selects another line.
func (c *cursor) move(by int) {
	if by != 0 {
		c.at, c.id, c.moved = max(0, c.at+by), "", true // held within the list when it is drawn
	}
}

// step is how far a key moves.
func (v *View) step(key string) int {
	const far = 1 << 20
	switch key {
	case "up", "k":
		return -1
	case "down", "j":
		return 1
	case "pgup":
		return -max(1, v.h-10)
	case "pgdown":
		return max(1, v.h-10)
	case "home", "g":
		return -far
	case "end", "G", "shift+g":
		return far
	}
	return 0
}

// Selected is the TARGET of the port that is selected or open, "" if it is none.
func (v *View) Selected(m *Model) string {
	id := v.ports.id
	if v.page == pagePort {
		id = v.port
	}
	if p := m.byID(id); p != nil {
		return strings.TrimSpace(p.Target())
	}
	return ""
}

// Click is told of a click on a line of the screen. It selects what is there; what
// is selected already is opened.
func (v *View) Click(m *Model, line int) {
	if line < 0 || line >= len(v.hits) || v.hits[line] < 0 || v.typing {
		return
	}
	c := &v.ports
	if v.page == pagePort {
		c = &v.inside
	}
	if c.at == v.hits[line] {
		v.Key(m, "enter", "")
		return
	}
	c.at, c.id, c.moved = v.hits[line], "", true
}

// Wheel scrolls by lines, down if they are more than 0.
func (v *View) Wheel(by int) {
	switch v.page {
	case pagePorts:
		v.ports.move(by)
	case pagePort:
		v.inside.move(by)
	case pageText:
		v.text.top = max(0, v.text.top+by)
	}
}
