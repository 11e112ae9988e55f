package flight

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Pattern is the name of files with the time they are begun at, as strftime(3)
// writes it. The zero value is an empty name.
type Pattern string

// ParsePattern refuses conversions that are not known.
func ParsePattern(s string) (Pattern, error) {
	for rest := s; ; {
		_, after, found := strings.Cut(rest, "%")
		if !found {
			return Pattern(s), nil
		}
		if after == "" || conversion(after[0], time.Time{}) == "" {
			return "", fmt.Errorf("%q: %%%.1s is not known in a name: %%Y %%m %%d %%H %%M %%S %%F %%T %%s %%j %%y %%b %%a %%p %%I %%z %%Z and %%%% are", s, after)
		}
		rest = after[1:]
	}
}

// At is the name at a time, which is shown in its own zone.
func (p Pattern) At(t time.Time) string {
	var b strings.Builder
	rest := string(p)
	for {
		before, after, found := strings.Cut(rest, "%")
		b.WriteString(before)
		if !found || after == "" {
			return b.String()
		}
		b.WriteString(conversion(after[0], t))
		rest = after[1:]
	}
}

// conversion is what stands for %c; "" if it is not known.
func conversion(c byte, t time.Time) string {
	layouts := map[byte]string{
		'Y': "2006", 'm': "01", 'd': "02", 'H': "15", 'M': "04", 'S': "05", 'F': "2006-01-02", 'T': "15:04:05", 'R': "15:04", 'D': "01/02/06",
		'y': "06", 'b': "Jan", 'h': "Jan", 'B': "January", 'a': "Mon", 'A': "Monday", 'p': "PM", 'I': "03", 'e': "_2", 'z': "-0700", 'Z': "MST", 'j': "002",
	}
	switch c {
	case '%':
		return "%"
	case 's':
		return strconv.FormatInt(t.Unix(), 10)
	}
	if l, ok := layouts[c]; ok {
		return t.Format(l)
	}
	return ""
}

// Plain is a name that stands for itself.
func Plain(name string) Pattern { return Pattern(strings.ReplaceAll(name, "%", "%%")) }
