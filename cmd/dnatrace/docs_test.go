package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The root of the repository.
const repository = "../.."

// documents are the pages of the repository, by their paths in it.
func documents(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	read := func(path string) {
		b, err := os.ReadFile(filepath.Join(repository, path))
		if err != nil {
			t.Fatal(err)
		}
		found[path] = string(b)
	}
	for _, name := range []string{"README.md", "README.zh-CN.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"} {
		read(name)
	}
	err := fs.WalkDir(os.DirFS(repository), "docs", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			read(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

var (
	fenced   = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	inlined  = regexp.MustCompile("`[^`\n]*`")
	linked   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headings = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *$`)
	anchors  = regexp.MustCompile(`<a (?:id|name)="([^"]+)"`)
	unsaid   = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// linksOf are what a page links to, outside of code.
func linksOf(page string) (links []string) {
	page = inlined.ReplaceAllString(fenced.ReplaceAllString(page, ""), "")
	for _, m := range linked.FindAllStringSubmatch(page, -1) {
		links = append(links, m[1])
	}
	return links
}

// anchorsOf are the places of a page that links can name: its headings, as GitHub makes
// names of them, and what it names itself.
func anchorsOf(page string) map[string]bool {
	out := map[string]bool{}
	page = fenced.ReplaceAllString(page, "")
	for _, m := range headings.FindAllStringSubmatch(page, -1) {
		out[strings.ReplaceAll(unsaid.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	for _, m := range anchors.FindAllStringSubmatch(page, -1) {
		out[m[1]] = true
	}
	return out
}

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	all, count := documents(t), 0
	for path, page := range all {
		for _, link := range linksOf(page) {
			if strings.Contains(link, "://") {
				continue
			}
			count++
			file, anchor, _ := strings.Cut(link, "#")
			to := path
			if file != "" {
				to = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(filepath.Join(repository, to)); err != nil || strings.HasPrefix(to, "..") {
				t.Errorf("%s links to %s, which is not there", path, link)
				continue
			}
			if target, isPage := all[to]; anchor != "" && isPage && !anchorsOf(target)[anchor] {
				t.Errorf("%s links to %s: no heading there is called that", path, link)
			}
		}
	}
	if count < 200 {
		t.Errorf("found %d links only: how they are found is wrong", count)
	}
}

func TestEveryPageIsReachedFromTheIndex(t *testing.T) {
	all := documents(t)
	reached, next := map[string]bool{}, []string{"docs/README.md"}
	for len(next) > 0 {
		path := next[0]
		next = next[1:]
		if reached[path] || all[path] == "" {
			continue
		}
		reached[path] = true
		for _, link := range linksOf(all[path]) {
			file, _, _ := strings.Cut(link, "#")
			next = append(next, filepath.Join(filepath.Dir(path), file))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if !reached[path] {
			t.Errorf("no link leads to %s from docs/README.md", path)
		}
		if strings.HasPrefix(path, "docs/") && !strings.Contains(path, "causes/") && path != "docs/README.md" && !slices.Contains(linksOf(all["docs/README.md"]), strings.TrimPrefix(path, "docs/")) {
			t.Errorf("docs/README.md does not list %s", path)
		}
	}
}

// The two READMEs tell the same: the same chapters, and commands, but for what is said of
// them.
func TestTheChineseReadmeTellsTheSame(t *testing.T) {
	all := documents(t)
	typed := func(page string) (lines []string) {
		for _, d := range documentedCommands(t) {
			if d.page == page {
				lines = append(lines, strings.TrimSuffix(strings.Join(d.args, " "), " --lang zh"))
			}
		}
		slices.Sort(lines)
		return slices.Compact(lines)
	}
	chinese := typed("README.zh-CN.md")
	for _, line := range typed("README.md") {
		if !slices.Contains(chinese, line) {
			t.Errorf("README.zh-CN.md does not have dnatrace %s", line)
		}
	}
	if a, b := len(headings.FindAllString(fenced.ReplaceAllString(all["README.md"], ""), -1)), len(headings.FindAllString(fenced.ReplaceAllString(all["README.zh-CN.md"], ""), -1)); a != b {
		t.Errorf("README.md has %d chapters, README.zh-CN.md %d", a, b)
	}
}
