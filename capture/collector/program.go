package collector

import (
	"archive/tar"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/klauspost/compress/gzip"

	"dnatrace/capture/engine/docker"
)

// program is what runs as a collector: an image that the engine has, or a file.
type program struct {
	image string
	file  string
}

// choose settles which program an engine on m is given. given is a file or the name
// of an image; "" for this program itself where it can run there, else the one that
// lies beside it.
func choose(m docker.Machine, given string) (program, error) {
	if m.OS != "linux" && m.OS != "" {
		return program{}, fmt.Errorf("its containers are of %s: dnatrace follows packets on Linux only", m.OS)
	}
	if given != "" {
		if _, err := os.Stat(given); errors.Is(err, fs.ErrNotExist) && !strings.HasPrefix(given, "/") && !strings.HasPrefix(given, ".") {
			return program{image: given}, nil
		}
		return program{file: given}, fits(given, m)
	}
	self, err := os.Executable()
	if err != nil {
		return program{}, fmt.Errorf("find this program: %w", err)
	}
	if runtime.GOOS == "linux" && runtime.GOARCH == m.Arch {
		return program{file: self}, fits(self, m)
	}
	name := "dnatrace-linux-" + m.Arch
	beside := filepath.Join(filepath.Dir(self), name)
	if _, err := os.Stat(beside); err != nil {
		return program{}, fmt.Errorf("the engine runs on linux/%s, and this program on %s/%s: put %s beside it, or name one: --collector FILE", m.Arch, runtime.GOOS, runtime.GOARCH, name)
	}
	return program{file: beside}, fits(beside, m)
}

// elfMachines are the architectures of programs (elf(5), e_machine).
var elfMachines = map[elf.Machine]string{
	elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64", elf.EM_ARM: "arm", elf.EM_386: "386",
	elf.EM_PPC64: "ppc64le", elf.EM_S390: "s390x", elf.EM_RISCV: "riscv64",
}

// fits says why a program cannot run alone on m.
func fits(path string, m docker.Machine) error {
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("use %s as the collector: it is no program of Linux: %w", path, err)
	}
	defer f.Close()
	if arch := elfMachines[f.Machine]; arch != m.Arch && arch != "" && m.Arch != "" {
		return fmt.Errorf("use %s as the collector: it is of %s, and the engine runs on %s", path, arch, m.Arch)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("use %s as the collector: it needs libraries that are not in its image: build it with CGO_ENABLED=0", path)
		}
	}
	return nil
}

// archive is a compressed tar that holds the program alone. Closing it early ends it.
func (p program) archive(ctx context.Context) io.ReadCloser {
	if p.file == "" {
		return nil
	}
	r, w := io.Pipe()
	stop := context.AfterFunc(ctx, func() { w.CloseWithError(ctx.Err()) })
	go func() {
		defer stop()
		w.CloseWithError(p.pack(w))
	}()
	return r
}

func (p program) pack(to io.Writer) error {
	f, err := os.Open(p.file)
	if err != nil {
		return fmt.Errorf("read the collector: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read the collector: %w", err)
	}
	packed, _ := gzip.NewWriterLevel(to, gzip.BestSpeed)
	w := tar.NewWriter(packed)
	if err := w.WriteHeader(&tar.Header{Name: "dnatrace", Mode: 0o755, Size: st.Size(), Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	if _, err := io.Copy(w, f); err != nil {
		return fmt.Errorf("read the collector: %w", err)
	}
	return errors.Join(w.Close(), packed.Close())
}
