package report_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"dnatrace/cmd/internal/report"
)

// browsers are the names that a browser to test with may have.
var browsers = []string{"chromium", "chromium-browser", "google-chrome", "chrome", "headless-shell", "headless_shell"}

// browser starts a headless Chromium that can reach nothing, or skips.
func browser(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser is slow: run without -short")
	}
	path := ""
	for _, name := range browsers {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("no browser here to open the page in: install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(profile(t)),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND"), chromedp.WSURLReadTimeout(60*time.Second))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// profile is a folder for the browser, whose processes may outlive the one that
// was started for a moment, and go on writing.
func profile(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "dnatrace-browser-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 50 {
			if os.RemoveAll(dir) == nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		t.Logf("%s is left behind: the browser still writes there", dir)
	})
	return dir
}

// watched is what a page did behind the reader's back.
type watched struct {
	mu       sync.Mutex
	requests []string
	trouble  []string
}

func (w *watched) note(list *[]string, s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	*list = append(*list, s)
}

// watch notes every request and every complaint from here on.
func watch(ctx context.Context) *watched {
	w := &watched{}
	chromedp.ListenTarget(ctx, func(e any) {
		switch e := e.(type) {
		case *network.EventRequestWillBeSent:
			w.note(&w.requests, e.Request.URL)
		case *network.EventWebSocketCreated:
			w.note(&w.requests, e.URL)
		case *runtime.EventConsoleAPICalled:
			w.note(&w.trouble, fmt.Sprintf("console %s: %v", e.Type, e.Args))
		case *runtime.EventExceptionThrown:
			w.note(&w.trouble, e.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			w.note(&w.trouble, e.Entry.Text)
		case *cdppage.EventJavascriptDialogOpening:
			w.note(&w.trouble, "dialog: "+e.Message)
		}
	})
	return w
}

// quiet fails the test if the page asked for anything but itself, or complained.
func (w *watched) quiet(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for n, u := range w.requests {
		if n > 0 || !strings.HasPrefix(u, "file://") {
			t.Errorf("the page asked for %q", u)
		}
	}
	if len(w.requests) == 0 {
		t.Error("no request was noted, not even for the page: nothing was watched")
	}
	for _, s := range w.trouble {
		t.Errorf("the browser says: %s", s)
	}
}

// opened is the action of opening a page from a file.
func opened(t *testing.T, html []byte) chromedp.Action {
	t.Helper()
	file := filepath.Join(t.TempDir(), "incident.html")
	if err := os.WriteFile(file, html, 0o600); err != nil {
		t.Fatal(err)
	}
	return chromedp.Tasks{network.Enable(), runtime.Enable(), log.Enable(), chromedp.Navigate("file://" + file), chromedp.WaitReady("main")}
}

func do(t *testing.T, ctx context.Context, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(ctx, actions...); err != nil {
		t.Fatal(err)
	}
}

func TestThePageIsQuietInABrowser(t *testing.T) {
	ctx := browser(t)
	for _, name := range []string{"firewall-drop", "reply-filtered", "delivered"} {
		tab, cancel := chromedp.NewContext(ctx)
		do(t, tab)
		w := watch(tab)
		do(t, tab, opened(t, page(t, reportOf(t, name))))
		w.quiet(t)
		cancel()
	}
}

func TestAHostilePageIsQuietInABrowser(t *testing.T) {
	ctx := browser(t)
	do(t, ctx)
	w := watch(ctx)
	var owned bool
	do(t, ctx, opened(t, page(t, hostile(t))), chromedp.Evaluate(`"owned" in window`, &owned))
	if owned {
		t.Error("a text of the recording ran as a script")
	}
	w.quiet(t)
}

func TestRequestsAreSortedAndFiltered(t *testing.T) {
	ctx := browser(t)
	do(t, ctx)
	w := watch(ctx)
	var first, again, shown, chosen string
	do(t, ctx, opened(t, page(t, mixed(t, 40))),
		chromedp.Click("#all thead th:nth-child(8) button"), chromedp.Text("#all tbody tr:first-child td:nth-child(8)", &first),
		chromedp.Click("#all thead th:nth-child(8) button"), chromedp.Text("#all tbody tr:first-child td:nth-child(8)", &again),
		chromedp.SendKeys("#filter", "refused listener"), chromedp.Text("#shown", &shown),
		chromedp.Evaluate(`(function(){var f=document.getElementById("filter"),v=document.getElementById("verdict");f.value="";v.value="delivered";v.dispatchEvent(new Event("change"));return document.getElementById("shown").textContent})()`, &chosen))
	if first != "1" || again != "5" {
		t.Errorf("tries sorted upwards begin with %q, downwards with %q: want 1 and 5", first, again)
	}
	if shown != "10 of 40 shown" || chosen != "10 of 40 shown" {
		t.Errorf("filtered by words: %q, by verdict: %q; want 10 of 40 each", shown, chosen)
	}
	w.quiet(t)
}

func TestTheKeyboardReachesThePackets(t *testing.T) {
	ctx := browser(t)
	do(t, ctx, opened(t, page(t, reportOf(t, "reply-filtered"))))
	class, line := "", ""
	for range 60 {
		do(t, ctx, chromedp.KeyEvent(kb.Tab), chromedp.Evaluate(`String(document.activeElement.getAttribute("class"))`, &class))
		if strings.Contains(class, "rung") {
			break
		}
	}
	if !strings.Contains(class, "rung") {
		t.Fatal("the tabulator key never came to a packet")
	}
	do(t, ctx, chromedp.KeyEvent(kb.ArrowDown), chromedp.Text(".packet", &line))
	if !strings.Contains(line, "Packet 2, reply: SYN-ACK") {
		t.Errorf("one packet down, the page tells %q", line)
	}
	var n, last int
	do(t, ctx, chromedp.KeyEvent(kb.End), chromedp.Evaluate(`Number(document.activeElement.dataset.n)`, &n),
		chromedp.Evaluate(`document.querySelectorAll(".rung").length`, &last))
	if n != last || last < 9 {
		t.Errorf("the End key leads to packet %d of %d", n, last)
	}
}

func TestThePageFitsAPhone(t *testing.T) {
	ctx := browser(t)
	for _, name := range []string{"firewall-drop", "reply-filtered", "no-listener-behind-proxy", "mixed", "hostile"} {
		r := mixed(t, 12)
		switch name {
		case "mixed":
		case "hostile":
			r = hostile(t)
		default:
			r = reportOf(t, name)
		}
		for _, width := range []int64{320, 390, 768} {
			var wide int64
			do(t, ctx, emulation.SetDeviceMetricsOverride(width, 800, 2, width < 700), opened(t, page(t, r)), chromedp.Evaluate(`document.documentElement.scrollWidth`, &wide))
			if wide > width {
				t.Errorf("%s: the page is %d wide on a screen of %d", name, wide, width)
			}
		}
	}
}

func TestThePagePrints(t *testing.T) {
	ctx := browser(t)
	var pdf []byte
	do(t, ctx, opened(t, page(t, reportOf(t, "firewall-drop"))), chromedp.ActionFunc(func(ctx context.Context) (err error) {
		pdf, _, err = cdppage.PrintToPDF().WithPrintBackground(true).Do(ctx)
		return err
	}))
	if !strings.HasPrefix(string(pdf), "%PDF") || len(pdf) < 20<<10 {
		t.Errorf("the print is %d bytes", len(pdf))
	}
	if n := strings.Count(string(pdf), "/Type /Page\n"); n < 2 || n > 8 {
		t.Errorf("the print has %d pages", n)
	}
}

func TestThePageFollowsTheReadersScheme(t *testing.T) {
	ctx := browser(t)
	for scheme, want := range map[string]string{"light": report.Ground(false), "dark": report.Ground(true)} {
		var got string
		do(t, ctx, emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
			opened(t, page(t, reportOf(t, "delivered"))), chromedp.Evaluate(`getComputedStyle(document.documentElement).getPropertyValue("--page").trim()`, &got))
		if got != want {
			t.Errorf("%s: the ground is %s, want %s", scheme, got, want)
		}
	}
}
