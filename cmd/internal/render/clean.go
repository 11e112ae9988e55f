package render

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Clean returns s with everything that could act on a terminal or deceive a
// reader shown as an escape: control characters, escape sequences,
// bidirectional overrides, invisible and unassigned characters, line and
// paragraph separators, and bytes that are not UTF-8. "\x1b[2J" becomes
// `\x1b[2J`. The result is printable, valid UTF-8, one line.
func Clean(s string) string {
	if isClean(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(escape(r))
		}
		s = s[n:]
	}
	return b.String()
}

func isClean(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return allPrint(s)
		}
	}
	return true
}

func allPrint(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

func escape(r rune) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\t':
		return `\t`
	case r < 0x100:
		return fmt.Sprintf(`\x%02x`, r)
	case r < 0x10000:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}

// cleaned returns a deep copy of v for an output: every string passed through
// text, every nil slice empty, every time UTC, no number that JSON cannot hold.
// It walks by reflection so that a field added later cannot be forgotten.
func cleaned[T any](v T, text func(string) string) T {
	cleanIn(reflect.ValueOf(&v).Elem(), text)
	return v
}

var timeType = reflect.TypeFor[time.Time]()

// cleanIn cleans v, a copy whose slices and pointers still lead to the original's
// content: it goes on with copies of those.
func cleanIn(v reflect.Value, text func(string) string) {
	if v.Type() == timeType {
		t := v.Addr().Interface().(*time.Time)
		*t = t.UTC()
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text(v.String()))
	case reflect.Float64:
		v.SetFloat(finite(v.Float()))
	case reflect.Struct:
		for i := range v.NumField() {
			cleanIn(v.Field(i), text)
		}
	case reflect.Slice:
		own := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(own, v)
		v.Set(own)
		for i := range v.Len() {
			cleanIn(v.Index(i), text)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			own := reflect.New(v.Type().Elem())
			own.Elem().Set(v.Elem())
			v.Set(own)
			cleanIn(own.Elem(), text)
		}
	}
}

func finite(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}
