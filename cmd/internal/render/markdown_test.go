package render

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMarkdownTellsTheStory(t *testing.T) {
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			golden(t, s.name+".md", printed(t, FormatMarkdown, Options{}, s.doc))
		})
	}
}

func TestMarkdownTextsAreOnlyTexts(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"a plain name stays", "web-1.internal", "web-1.internal"},
		{"marks are shown", "*a* _b_ `c` ~d~", "\\*a\\* \\_b\\_ \\`c\\` \\~d\\~"},
		{"HTML is shown", "<script>&amp;", "&lt;script&gt;&amp;amp;"},
		{"a link is none", "[x](javascript:alert(1))", `\[x\](javascript:alert(1))`},
		{"an address is no link", "https://203.0.113.9/ www.example.com", `https\://203.0.113.9/ www\.example.com`},
		{"a bar ends no cell", "a|b", `a\|b`},
		{"nobody is told", "@octocat", "@<!-- -->octocat"},
		{"a rule is no list", "-A DOCKER -j DROP", `\-A DOCKER -j DROP`},
		{"a number is no list", "1. a", `1\. a`},
		{"a head is none", "# a", `\# a`},
		{"lines stay one", "a\n\n# b", `a\\n\\n\# b`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, MarkdownText(c.in)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestMarkdownCodeEndsWhereItShould(t *testing.T) {
	for in, want := range map[string]string{
		"-A DOCKER":    "`-A DOCKER`",
		"":             "",
		"a`b":          "``a`b``",
		"`a``":         "``` `a`` ```",
		"a|b":          "`a\\|b`",
		"ends with \\": "` ends with \\ `",
	} {
		if got := MarkdownCode(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
	if got := MarkdownBlock("sh", "a```b", "c"); !strings.HasPrefix(got, "````sh\n") || !strings.HasSuffix(got, "\n````\n") {
		t.Errorf("a block is fenced as %q", got)
	}
}
