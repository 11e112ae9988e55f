package recording

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"dnatrace/capture"
)

const maxMessage = 400 // bytes

// message is a record in one readable line, for those who open the recording
// in another tool.
func message(r capture.Record) string {
	text := summary(r)
	if text == "" {
		text = fmt.Sprintf("%s %s, %d bytes", r.Origin, r.Kind, len(r.Data))
		if r.Netns != "" {
			text += ", namespace " + r.Netns
		}
	}
	return oneLine(text)
}

// summary says what the records about the recording itself hold; "" for all
// others, whose data is not looked into.
func summary(r capture.Record) string {
	switch r.Kind {
	case capture.KindStart:
		if v, ok := dataOf[capture.Start](r); ok {
			if v.Target == "" {
				v.Target = "all published ports"
			}
			return fmt.Sprintf("%s starts to record %s", v.Program, v.Target)
		}
	case capture.KindEnd:
		if v, ok := dataOf[capture.End](r); ok {
			return fmt.Sprintf("end of the recording: %d packets, %d lost", v.Packets, v.Lost)
		}
	case capture.KindSource:
		if v, ok := dataOf[capture.SourceState](r); ok {
			return strings.TrimSuffix(fmt.Sprintf("source %s: %s: %s", v.Name, v.State, v.Why), ": ")
		}
	case capture.KindPoint:
		if v, ok := dataOf[capture.Point](r); ok {
			return fmt.Sprintf("point %d is %s: %s", v.ID, v.Name, describePoint(v))
		}
	case capture.KindLoss:
		if v, ok := dataOf[capture.Loss](r); ok {
			return fmt.Sprintf("ring %d lost %d packets within %v", v.Ring, v.Lost, time.Duration(v.To-v.From))
		}
	case capture.KindDamage:
		if v, ok := dataOf[capture.Damage](r); ok {
			return v.Why
		}
	}
	return ""
}

func dataOf[T any](r capture.Record) (v T, ok bool) {
	ok = json.Unmarshal(r.Data, &v) == nil
	return v, ok
}

// describePoint says in words what kind of place a point is.
func describePoint(p capture.Point) string {
	text := fmt.Sprintf("%s, namespace %s", p.Role, p.Netns)
	if p.Container != "" && p.Container != p.Netns {
		text += ", container " + p.Container
	}
	return oneLine(text)
}

// oneLine bounds s and takes out what could end a line or steer a terminal.
func oneLine(s string) string { return cleaned(s[:min(len(s), maxMessage)]) }

func cleaned(s string) string {
	s = strings.ToValidUTF8(s, "")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}
