package render

import (
	"os"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/term"

	"dnatrace/cmd/internal/lang"
)

// DefaultWidth is assumed where a terminal does not tell its width, and is where
// prose wraps when the reader is no terminal.
const DefaultWidth = 100

// Widths that COLUMNS may ask for.
const (
	leastColumns = 20
	mostColumns  = 1000
)

// Detect returns the options that suit f, read from the terminal and from the
// environment: COLUMNS, NO_COLOR (no-color.org), TERM, and the locale (LC_ALL, LC_CTYPE,
// LANG in the order of POSIX.1 §8.2). A locale that does not name UTF-8 gets
// plain ASCII. The language of sentences is that of the locale.
func Detect(f *os.File, getenv func(string) string) Options {
	o := Options{UTF8: isUTF8(getenv), Lang: lang.Detect(getenv)}
	asked, err := strconv.Atoi(getenv("COLUMNS"))
	isAsked := err == nil && asked >= leastColumns && asked <= mostColumns
	if isAsked {
		o.Width = asked
	}
	if !term.IsTerminal(int(f.Fd())) {
		return o
	}
	if w, _, err := term.GetSize(int(f.Fd())); !isAsked {
		if o.Width = DefaultWidth; err == nil && w > 0 {
			o.Width = w
		}
	}
	o.Color = allowsColor(getenv)
	return o
}

func allowsColor(getenv func(string) string) bool {
	return getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
}

func isUTF8(getenv func(string) string) bool {
	for _, name := range [...]string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := getenv(name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return runtime.GOOS == "windows" // consoles there have no locale variables
}
