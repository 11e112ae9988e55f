//go:build linux

// Command bench measures dnatrace replay against tcpdump reading the same file,
// turn by turn in one run, so that whatever else the machine does hits both.
// It prints medians and ratios as a Markdown table.
//
//	go run ./docs/bench ./bin/dnatrace bench/a.pcapng bench/b.pcapng
//
// It must not import any other package of the module: it measures the program.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"
)

// contender is one way to read the file.
type contender struct {
	name string
	argv []string
	env  []string
}

// run is what one execution took.
type run struct {
	wall time.Duration
	cpu  time.Duration // user and system
	rss  int64         // KiB, the most that was resident (getrusage(2) ru_maxrss)
}

func main() {
	turns := flag.Int("n", 5, "turns; the median counts")
	flag.Parse()
	if flag.NArg() < 2 || *turns < 1 {
		fmt.Fprintln(os.Stderr, "usage: bench [-n TURNS] DNATRACE FILE…")
		os.Exit(2)
	}
	for _, file := range flag.Args()[1:] {
		if err := compare(flag.Arg(0), file, *turns); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(2)
		}
	}
}

func contenders(dnatrace, file string) []contender {
	replay := []string{dnatrace, "replay", "-o", "json", "--summary", file}
	return []contender{
		{name: "tcpdump -r FILE -w /dev/null", argv: []string{"tcpdump", "-r", file, "-w", "/dev/null"}},
		{name: "dnatrace replay, all cores", argv: replay},
		{name: "dnatrace replay, one core", argv: replay, env: []string{"GOMAXPROCS=1"}},
	}
}

func compare(dnatrace, file string, turns int) error {
	size, err := warm(file)
	if err != nil {
		return err
	}
	all := contenders(dnatrace, file)
	runs := make([][]run, len(all))
	for range turns {
		for n, c := range all {
			r, err := c.execute()
			if err != nil {
				return err
			}
			runs[n] = append(runs[n], r)
		}
	}
	fmt.Printf("\n%s, %d MB, median of %d turns\n\n", file, size/1e6, turns)
	fmt.Println("| | s | × tcpdump | CPU s | MiB |\n|---|---:|---:|---:|---:|")
	base := median(runs[0], func(r run) float64 { return r.wall.Seconds() })
	for n, c := range all {
		wall := median(runs[n], func(r run) float64 { return r.wall.Seconds() })
		cpu := median(runs[n], func(r run) float64 { return r.cpu.Seconds() })
		rss := median(runs[n], func(r run) float64 { return float64(r.rss) / 1024 })
		fmt.Printf("| %s | %.2f | %.2f | %.2f | %.0f |\n", c.name, wall, wall/base, cpu, rss)
	}
	return nil
}

// warm reads the file once, so that nobody pays for the disk.
func warm(file string) (int64, error) {
	if err := exec.Command("cp", file, "/dev/null").Run(); err != nil {
		return 0, fmt.Errorf("read %s: %w", file, err)
	}
	st, err := os.Stat(file)
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

func (c contender) execute() (run, error) {
	cmd := exec.Command(c.argv[0], c.argv[1:]...)
	cmd.Env = append(os.Environ(), c.env...)
	began := time.Now()
	err := cmd.Run()
	took := time.Since(began)
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() == 2) {
		return run{}, fmt.Errorf("run %s: %w", c.name, err)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return run{}, fmt.Errorf("run %s: no resource usage", c.name)
	}
	return run{wall: took, cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), rss: usage.Maxrss}, nil
}

func median(runs []run, of func(run) float64) float64 {
	var all []float64
	for _, r := range runs {
		all = append(all, of(r))
	}
	slices.Sort(all)
	return all[len(all)/2]
}
