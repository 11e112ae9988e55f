package report_test

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"dnatrace/cmd/internal/lang"
	"dnatrace/cmd/internal/report"
)

func TestThePageHasNothingInEnglishLeft(t *testing.T) {
	count := 0
	for _, name := range []string{"page.html", "parts.html", "path.html", "ladder.html"} {
		report.EachPiece(report.Asset(name), func(s string) string {
			count++
			if told := lang.Chinese.Sentence(s); told == s && !strings.Contains("SHA-256 TTL · dnatrace", s) {
				t.Errorf("%s: %q is not in zh.txt", name, s)
			}
			return s
		})
	}
	if count < 100 {
		t.Errorf("found %d pieces only: how they are found is wrong", count)
	}
	if same := report.EachPiece(report.Asset("page.html"), func(s string) string { return s }); same != report.Asset("page.html") {
		t.Error("taking a page apart changes it")
	}
}

func TestReportInChinese(t *testing.T) {
	r := reportOf(t, "firewall-drop")
	r.Lang = lang.Chinese
	var page, text bytes.Buffer
	if err := report.HTML(&page, r); err != nil {
		t.Fatal(err)
	}
	if err := report.Markdown(&text, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`lang="zh"`, "请求的路径", "修改方法", "您的一条规则"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, want := range []string{"## 请求的路径", "修改方法", "您的一条规则"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the Markdown does not say %q", want)
		}
	}
	shown := regexp.MustCompile(`(?s)<(script|style)>.*?</(script|style)>`).ReplaceAllString(page.String(), "")
	if m := regexp.MustCompile(`>[^<]*\b(the|was|were|which|nothing) [^<]*<`).FindString(shown); m != "" {
		t.Errorf("in English: %s", m)
	}
}
