package inputs

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
)

// through compresses b by what a writer of a format does.
func through(t *testing.T, b []byte, open func(io.Writer) (io.WriteCloser, error)) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := open(&out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// forms are the ways in which a file may be compressed that this test can write.
var forms = map[string]func(*testing.T, []byte) []byte{
	"plain": func(_ *testing.T, b []byte) []byte { return b },
	"gz":    func(_ *testing.T, b []byte) []byte { return packed(b) },
	"zst": func(t *testing.T, b []byte) []byte {
		return through(t, b, func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) })
	},
	"xz": func(t *testing.T, b []byte) []byte {
		return through(t, b, func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) })
	},
	"lz4": func(t *testing.T, b []byte) []byte {
		return through(t, b, func(w io.Writer) (io.WriteCloser, error) { return lz4.NewWriter(w), nil })
	},
	"gz in xz": func(t *testing.T, b []byte) []byte {
		return through(t, packed(b), func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) })
	},
}

// case0 is a capture of all interfaces, with a dump that names them.
func case0() map[string][]byte {
	return map[string][]byte{
		"any.pcap": pcap(linkCooked2, frame{0, cooked2(2, false, 1, "request")}, frame{1, cooked2(3, true, 1, "translated")}),
		"addr.txt": []byte(addr),
	}
}

// whole is what is read of it, whatever it lies in.
func whole(t *testing.T, o *Opened, what string) {
	t.Helper()
	points, _, seen := told(t, o)
	if d := cmp.Diff([]string{"lo host loopback", "ens3 host nic", "shop0 host bridge", "port1 host veth"}, describe(points)); d != "" {
		t.Errorf("%s: points:\n%s", what, d)
	}
	if d := cmp.Diff([]string{"ens3", "shop0"}, seen); d != "" {
		t.Errorf("%s: packets:\n%s", what, d)
	}
	if len(o.Unknown) > 0 {
		t.Errorf("%s: passed over %q", what, o.Unknown)
	}
}

func TestAFileIsReadThroughWhatItIsCompressedBy(t *testing.T) {
	for form, pack := range forms {
		files := map[string]string{}
		for name, b := range case0() {
			files[name] = string(pack(t, b))
		}
		whole(t, mustOpen(t, files), form)
	}
}

func TestAnArchiveStandsForItsFiles(t *testing.T) {
	dir := t.TempDir()
	for form, pack := range forms {
		path := filepath.Join(dir, strings.ReplaceAll(form, " ", "-")+".tar")
		write(t, path, pack(t, tarOf(t, case0())))
		whole(t, open1(t, path), "tar, "+form)
	}
	path := filepath.Join(dir, "incident")
	write(t, path, zipOf(t, case0()))
	whole(t, open1(t, path), "zip")
	inner := map[string][]byte{"inner.tar.xz": forms["xz"](t, tarOf(t, case0()))}
	write(t, path, zipOf(t, inner))
	whole(t, open1(t, path), "tar.xz in zip")
	packedFiles := map[string][]byte{}
	for name, b := range case0() {
		packedFiles[name+".zst"] = forms["zst"](t, b)
	}
	write(t, path, tarOf(t, packedFiles))
	whole(t, open1(t, path), "compressed files in tar")
}

// TestBzip2 reads what bzip2 1.0 made: Go has no writer for it.
func TestBzip2(t *testing.T) {
	b, err := os.ReadFile("testdata/addr.json.bz2")
	if err != nil {
		t.Fatal(err)
	}
	o := mustOpen(t, map[string]string{"addr": string(b)})
	if len(o.Dumps) != 1 || o.Dumps[0].Kind != "ip -j" || o.Dumps[0].Err != nil {
		t.Errorf("got %+v", o.Dumps)
	}
}

func TestABrokenMemberIsPassedOverAndNamed(t *testing.T) {
	files := case0()
	files["notes.txt"] = []byte("it does not work")
	files["broken.xz"] = forms["xz"](t, []byte(addr))[:40]
	files[".hidden"] = []byte("nobody asked")
	path := filepath.Join(t.TempDir(), "incident.zip")
	write(t, path, zipOf(t, files))
	o := open1(t, path)
	_, _, seen := told(t, o)
	if len(seen) != 2 || len(o.Unknown) != 2 || !strings.Contains(o.Unknown[0], "incident.zip/broken.xz") || !strings.Contains(o.Unknown[1], "incident.zip/notes.txt is neither") {
		t.Errorf("packets %q, passed over %q", seen, o.Unknown)
	}
}

func TestAnArchiveThatIsCutIsReadUpToThere(t *testing.T) {
	b := tarOf(t, case0())
	path := filepath.Join(t.TempDir(), "cut.tar")
	write(t, path, b[:len(b)-2200]) // within the last member's content
	o, err := Open(Input{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Dumps) != 1 {
		t.Errorf("got %+v, passed over %q", o.Dumps, o.Unknown)
	}
	zipped := zipOf(t, case0())
	write(t, path, zipped[:len(zipped)/2])
	if _, err := Open(Input{Path: path}); err == nil || !strings.Contains(err.Error(), "into a folder") {
		t.Errorf("a zip without its list of members: %v", err)
	}
}

func TestUTF16IsText(t *testing.T) {
	text := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(strings.ReplaceAll(addr, "\n", "\r\n"))) {
		text = binary.LittleEndian.AppendUint16(text, u)
	}
	files := case0()
	whole(t, mustOpen(t, map[string]string{"any.pcap": string(files["any.pcap"]), "addr.txt": string(text)}), "UTF-16")
}

func TestTheParserOfArchivesHoldsItsBounds(t *testing.T) {
	many := map[string][]byte{}
	for i := range maxFiles + 1 {
		many[fmt.Sprintf("%04d", i)] = nil
	}
	path := filepath.Join(t.TempDir(), "many.tar")
	write(t, path, tarOf(t, many))
	if _, err := Open(Input{Path: path}); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("%d members: %v", len(many), err)
	}
	nested := tarOf(t, case0())
	for range 4 {
		nested = tarOf(t, map[string][]byte{"inner.tar": nested})
	}
	write(t, path, nested)
	if _, err := Open(Input{Path: path}); err == nil {
		t.Error("archives within archives without end are read")
	}
}

func open1(t *testing.T, path string) *Opened {
	t.Helper()
	o, err := Open(Input{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func namesOf(files map[string][]byte) (names []string) {
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func tarOf(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range namesOf(files) {
		if err := w.WriteHeader(&tar.Header{Name: "./" + name, Mode: 0o600, Size: int64(len(files[name])), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zipOf(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, name := range namesOf(files) {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
