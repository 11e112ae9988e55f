package lang

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// spoken are the packages whose strings of several words are shown to people.
var spoken = []string{"correlate", "correlate/foresee", "correlate/judge", "correlate/known"}

// shown are those whose words are told by Say, or by Sentence once they are put together.
var shown = []string{"cmd/internal/render", "cmd/internal/watch", "cmd/internal/report"}

// A phrase is a string of the source, in its form as a format: what is joined to it
// is %s.
type phrase struct {
	text string
	file string
}

// phrases finds what the sources of a folder say: each string, format or sum of
// strings of two words or more.
func phrases(t *testing.T, dir string) []phrase {
	t.Helper()
	set := token.NewFileSet()
	names, err := filepath.Glob(filepath.Join("../../..", dir, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("find sources of %s: %v", dir, err)
	}
	var found []phrase
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		rel := dir + "/" + filepath.Base(name)
		ast.Inspect(f, func(n ast.Node) bool { return visit(n, func(s string) { found = append(found, phrase{s, rel}) }) })
	}
	return found
}

// visit tells of the phrases at a node, and reports whether to look below it.
func visit(n ast.Node, tell func(string)) bool {
	switch n := n.(type) {
	case *ast.ImportSpec:
		return false
	case *ast.Field:
		return n.Tag == nil
	case *ast.CallExpr:
		if isSilent(n) {
			return false
		}
		if s, ok := formatOf(n); ok {
			if isProse(s) {
				tell(strings.TrimSpace(s))
			}
			for _, a := range n.Args {
				ast.Inspect(a, func(m ast.Node) bool {
					if lit, ok := m.(*ast.BasicLit); ok && lit.Kind == token.STRING && strings.Contains(lit.Value, "%") {
						return false // the format itself
					}
					return visit(m, tell)
				})
			}
			return false
		}
	case *ast.BinaryExpr:
		if s, ok := joined(n); ok {
			if isProse(s) {
				tell(strings.TrimSpace(s))
			}
			for _, part := range operands(n) {
				if _, lit := part.(*ast.BasicLit); lit {
					continue
				}
				if c, call := part.(*ast.CallExpr); call {
					if _, format := formatOf(c); format {
						for _, a := range c.Args[1:] {
							ast.Inspect(a, func(m ast.Node) bool { return visit(m, tell) })
						}
						continue
					}
				}
				ast.Inspect(part, func(m ast.Node) bool { return visit(m, tell) })
			}
			return false
		}
		switch n.Op {
		case token.EQL, token.NEQ:
			return false // what is compared is not said
		}
	case *ast.CaseClause:
		for _, s := range n.Body {
			ast.Inspect(s, func(m ast.Node) bool { return visit(m, tell) })
		}
		return false
	case *ast.BasicLit:
		if n.Kind == token.STRING {
			if s, err := strconv.Unquote(n.Value); err == nil && isProse(s) {
				tell(strings.TrimSpace(s))
			}
		}
	}
	return true
}

// isSilent reports whether what a call is given is not shown, or an error's, which
// stays in English.
func isSilent(c *ast.CallExpr) bool {
	sel, ok := c.Fun.(*ast.SelectorExpr)
	if !ok {
		id, ok := c.Fun.(*ast.Ident)
		return ok && id.Name == "panic"
	}
	pkg, _ := sel.X.(*ast.Ident)
	if pkg == nil {
		return false
	}
	switch pkg.Name + "." + sel.Sel.Name {
	case "fmt.Errorf", "errors.New", "regexp.MustCompile":
		return true
	}
	return pkg.Name == "strings" && !slices.Contains([]string{"Join", "TrimPrefix", "TrimSuffix", "Repeat"}, sel.Sel.Name)
}

// formatOf is the format of a call that formats: a string with verbs, and arguments
// behind it.
func formatOf(c *ast.CallExpr) (string, bool) {
	for n, a := range c.Args {
		s, ok := joined(a)
		if ok && strings.Contains(s, "%") && (n+1 < len(c.Args)) && literalIn(a) {
			return s, true
		}
	}
	return "", false
}

func literalIn(e ast.Expr) bool {
	for _, part := range operands(e) {
		if lit, ok := part.(*ast.BasicLit); ok && strings.Contains(lit.Value, "%") {
			return true
		}
	}
	return false
}

// operands are what a sum of strings is made of.
func operands(e ast.Expr) []ast.Expr {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return operands(e.X)
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			return append(operands(e.X), operands(e.Y)...)
		}
	}
	return []ast.Expr{e}
}

// joined is a sum of strings as a format. False if no part is a string's literal.
func joined(e ast.Expr) (string, bool) {
	var b strings.Builder
	any := false
	for _, part := range operands(e) {
		switch part := part.(type) {
		case *ast.BasicLit:
			if part.Kind != token.STRING {
				return "", false
			}
			s, err := strconv.Unquote(part.Value)
			if err != nil {
				return "", false
			}
			b.WriteString(s)
			any = true
		case *ast.CallExpr:
			if s, ok := formatOf(part); ok {
				b.WriteString(s)
				any = true
				continue
			}
			b.WriteString("%s")
		default:
			b.WriteString("%s")
		}
	}
	return b.String(), any
}

var words = regexp.MustCompile(`[A-Za-z]{2,}[,;:]? +(%\[?[0-9.]*\]?[a-z] +)?\(?[A-Za-z]{2,}|%[a-z] [a-z]{2,}|[a-z]{2,},?:? %[a-z]`)

func isProse(s string) bool { return words.MatchString(s) }

func TestNoSentenceIsMissing(t *testing.T) {
	c := catalogue()
	said := map[string]bool{}
	for _, dir := range spoken {
		for _, p := range phrases(t, dir) {
			if said[keyOf(p.text)] = true; c.by[keyOf(p.text)] == nil {
				t.Errorf("%s: %q is not in zh.txt: add it in that file's section, and below it, behind a tab, what it is in Chinese; = where it is a command", p.file, p.text)
			}
		}
	}
	section := ""
	for _, line := range strings.Split(source, "\n") {
		if name, ok := strings.CutPrefix(line, "# "); ok {
			section = name
			continue
		}
		if strings.HasPrefix(section, "correlate/") && line != "" && line[0] != '\t' && !said[keyOf(line)] {
			t.Errorf("zh.txt, %s: nothing says %q any more", section, line)
		}
	}
}

func TestWhatIsSaidByItsFormIsThere(t *testing.T) {
	c, found := catalogue(), 0
	for _, dir := range shown {
		names, _ := filepath.Glob(filepath.Join("../../..", dir, "*.go"))
		for _, name := range names {
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				sel, ok := call.Fun.(*ast.SelectorExpr)
				if !ok || !slices.Contains([]string{"Say", "say", "tell", "Sentence"}, sel.Sel.Name) || len(call.Args) == 0 {
					return true
				}
				lit, ok := call.Args[0].(*ast.BasicLit)
				if x, isName := sel.X.(*ast.Ident); isName && x.Name == "m" || !ok {
					return true // Markdown of its own
				}
				found++
				if s, _ := strconv.Unquote(lit.Value); c.by[keyOf(s)] == nil {
					t.Errorf("%s: %q is not in zh.txt", filepath.Base(name), s)
				}
				return true
			})
		}
	}
	if found < 40 {
		t.Errorf("found %d calls only: how they are found is wrong", found)
	}
}
