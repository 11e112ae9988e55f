package report_test

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// screenshots is where TestScreenshots writes, from this folder: ../../../docs.
var screenshots = flag.String("screenshots", "", "write the screenshots of the documentation to this folder")

// maxShot is how large a screenshot in the documentation may be.
const maxShot = 150 << 10

func TestScreenshots(t *testing.T) {
	ctx := browser(t)
	for _, s := range []struct {
		name, fixture, scheme, media string
		width, height                int64
		scale                        float64
	}{
		{"report-light", "demo-forward-drop", "light", "screen", 1180, 1160, 1.25},
		{"report-dark", "reply-filtered", "dark", "screen", 1180, 1540, 1.1},
		{"report-phone", "listener-on-loopback", "light", "screen", 390, 1100, 1.5},
		{"report-print", "firewall-drop", "light", "print", 800, 1130, 1.25},
	} {
		var shot []byte
		do(t, ctx, emulation.SetDeviceMetricsOverride(s.width, s.height, s.scale, s.width < 700),
			emulation.SetEmulatedMedia().WithMedia(s.media).WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: s.scheme}}),
			opened(t, page(t, reportOf(t, s.fixture))),
			chromedp.Evaluate(`matchMedia("print").matches && (document.body.style.padding = "40px"), 0`, nil), // the paper's margin
			chromedp.ActionFunc(func(ctx context.Context) (err error) {
				shot, err = cdppage.CaptureScreenshot().Do(ctx)
				return err
			}))
		small := reduced(t, shot)
		if len(small) > maxShot {
			t.Errorf("%s: %d bytes, want at most %d", s.name, len(small), maxShot)
		}
		if *screenshots != "" {
			if err := os.WriteFile(filepath.Join(*screenshots, s.name+".png"), small, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// reduced is a picture of the 256 colours that it has most of.
func reduced(t *testing.T, shot []byte) []byte {
	t.Helper()
	full, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	count := map[color.RGBA]int{}
	b := full.Bounds()
	at := func(x, y int) color.RGBA { return color.RGBAModel.Convert(full.At(x, y)).(color.RGBA) }
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			count[at(x, y)]++
		}
	}
	var colours []color.RGBA
	for c := range count {
		colours = append(colours, c)
	}
	slices.SortFunc(colours, func(x, y color.RGBA) int {
		return cmp.Or(cmp.Compare(count[y], count[x]), cmp.Compare(x.R, y.R), cmp.Compare(x.G, y.G), cmp.Compare(x.B, y.B))
	})
	var p color.Palette
	for _, c := range colours[:min(len(colours), 256)] {
		p = append(p, c)
	}
	small, index := image.NewPaletted(b, p), map[color.RGBA]uint8{}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := at(x, y)
			n, known := index[c]
			if !known {
				n = uint8(p.Index(c))
				index[c] = n
			}
			small.SetColorIndex(x, y, n)
		}
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, small); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
