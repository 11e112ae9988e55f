package dumps

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// conntrack -E prints entries as they change, and with -o xml so does every form of it.
// Both are put into the lines of conntrack -L.
var (
	changedLine = regexp.MustCompile(`^(?:\[\d+\.\d+\s*\])?\s*\[(NEW|UPDATE|DESTROY)\]\s+(?:ipv[46]\s+\d+\s+)?([a-z0-9-]+\s+\d+\s.*\bsrc=.*)$`)
	flowTitle   = regexp.MustCompile(`^(<\?xml .*\?>\s*)?<(conntrack|flow)[ >]`)
)

func isConntrackEvent(b []byte) bool { return changedLine.Match(b) }
func isConntrackXML(b []byte) bool   { return flowTitle.Match(b) }

// conntrackEvents keeps the last of what was told of each flow. A tuple that was
// translated in two ways, one after the other, tells nothing.
func conntrackEvents(b []byte) []byte {
	last, dropped := map[string]string{}, map[string]bool{}
	var order []string
	for _, raw := range lines(b) {
		m := changedLine.FindSubmatch(raw)
		if m == nil {
			continue
		}
		ends := endsOf(string(m[2]))
		if len(ends) != 2 {
			continue
		}
		if have, ok := last[ends[0]]; !ok {
			order = append(order, ends[0])
		} else if endsOf(have)[1] != ends[1] {
			dropped[ends[0]] = true
		}
		last[ends[0]] = string(m[2])
	}
	var out bytes.Buffer
	for _, k := range order {
		if !dropped[k] {
			fmt.Fprintln(&out, last[k])
		}
	}
	return out.Bytes()
}

// endsOf are the two tuples of an entry, each as the words that tell it.
func endsOf(line string) (all []string) {
	proto, _, _ := strings.Cut(line, " ")
	for _, w := range strings.Fields(line) {
		key, _, ok := strings.Cut(w, "=")
		switch {
		case !ok:
			continue
		case key == "src":
			all = append(all, proto)
		}
		if n := len(all); n > 0 && (key == "src" || key == "dst" || key == "sport" || key == "dport" || key == "id" || key == "type") {
			all[n-1] += " " + w
		}
	}
	return all
}

// xmlFlow is an entry of conntrack -o xml (libnetfilter_conntrack, snprintf_xml.c).
type xmlFlow struct {
	Meta []struct {
		Direction string `xml:"direction,attr"`
		Layer3    struct {
			Src string `xml:"src"`
			Dst string `xml:"dst"`
		} `xml:"layer3"`
		Layer4 struct {
			Number string `xml:"protonum,attr"`
			Name   string `xml:"protoname,attr"`
			Sport  string `xml:"sport"`
			Dport  string `xml:"dport"`
			ID     string `xml:"id"`
		} `xml:"layer4"`
		State     string    `xml:"state"`
		Timeout   string    `xml:"timeout"`
		Zone      string    `xml:"zone"`
		Assured   *struct{} `xml:"assured"`
		Unreplied *struct{} `xml:"unreplied"`
	} `xml:"meta"`
}

// conntrackXML puts entries in XML into lines. One that is cut is read up to there.
func conntrackXML(b []byte) ([]byte, error) {
	var out bytes.Buffer
	d := xml.NewDecoder(bytes.NewReader(b))
	d.Strict = false
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return out.Bytes(), nil
		}
		if err != nil && cutXML(err) != err && out.Len() > 0 {
			return out.Bytes(), nil // between two entries: conntrack -E was ended
		}
		if err != nil {
			return out.Bytes(), cutXML(err)
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "flow" {
			continue
		}
		var f xmlFlow
		if err := d.DecodeElement(&f, &start); err != nil {
			return out.Bytes(), cutXML(err)
		}
		fmt.Fprintln(&out, f.line())
	}
}

func cutXML(err error) error {
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) && strings.Contains(syntax.Msg, "EOF") {
		return errors.New("it ends in the middle")
	}
	return err
}

func (f *xmlFlow) line() string {
	var head, tail []string
	for _, m := range f.Meta {
		switch m.Direction {
		case "independent":
			if m.State != "" {
				tail = append(tail, m.State)
			}
			if m.Assured != nil {
				tail = append(tail, "[ASSURED]")
			}
			if m.Unreplied != nil {
				tail = append(tail, "[UNREPLIED]")
			}
			if m.Zone != "" {
				tail = append(tail, "zone="+m.Zone)
			}
		default:
			if len(head) == 0 {
				head = append(head, m.Layer4.Name, m.Layer4.Number)
			}
			for _, w := range [][2]string{{"src", m.Layer3.Src}, {"dst", m.Layer3.Dst}, {"sport", m.Layer4.Sport}, {"dport", m.Layer4.Dport}, {"id", m.Layer4.ID}} {
				if w[1] != "" {
					head = append(head, w[0]+"="+w[1])
				}
			}
		}
	}
	return strings.Join(append(head, tail...), " ")
}
