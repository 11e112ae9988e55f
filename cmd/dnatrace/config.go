package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"dnatrace/cmd/internal/otlp"
	"dnatrace/cmd/internal/render"
	"dnatrace/cmd/internal/store"
	"dnatrace/cmd/internal/traceid"
)

// configFlags have flags set by a file and by the environment: what the command line
// says holds, then the environment, then the file.
type configFlags struct {
	file  string
	check bool // say what holds, and end
}

// envOfWatch begins the variables that set flags: DNATRACE_WATCH_TRACE_SAMPLE is
// --trace-sample.
const envOfWatch = "DNATRACE_WATCH_"

// mostConfig is how many bytes of a file are read.
const mostConfig = 1 << 20

func (f *configFlags) addTo(c *cobra.Command) {
	c.Flags().StringVar(&f.file, "config", "", "take flags from this YAML file, by their long names; targets are a list under that name")
	c.Flags().BoolVar(&f.check, "check-config", false, "say which flags hold, by file, environment and command line, and whether they can be kept; watch nothing")
}

// notInFile are flags that say where to look for flags, or that end at once.
var notInFile = []string{"config", "check-config", "help", "target"}

// apply sets what the command line has not, and returns the targets of the file where
// there are none yet.
func (f *configFlags) apply(c *cobra.Command, targets []string) ([]string, error) {
	byFile := map[string][]string{}
	if f.file != "" {
		var err error
		if byFile, err = readConfig(f.file); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byFile)) {
		if flag := c.Flags().Lookup(name); name != "targets" && (flag == nil || slices.Contains(notInFile, name)) {
			return nil, remedied{fmt.Errorf("read %s: watch has no flag --%s to be set there", f.file, name), "try: " + c.CommandPath() + " --help"}
		}
	}
	var wrong error
	c.Flags().VisitAll(func(flag *pflag.Flag) {
		if flag.Changed || wrong != nil || slices.Contains(notInFile, flag.Name) {
			return
		}
		values, from := byFile[flag.Name], f.file
		if v, given := os.LookupEnv(envName(flag.Name)); given {
			values, from = []string{v}, envName(flag.Name)
		}
		for _, v := range values {
			if err := c.Flags().Set(flag.Name, v); err != nil {
				wrong = fmt.Errorf("take --%s from %s: %w", flag.Name, from, err)
				return
			}
		}
	})
	if wrong != nil {
		return nil, wrong
	}
	if len(targets) == 0 {
		if targets = byFile["targets"]; os.Getenv(envOfWatch+"TARGETS") != "" {
			targets = strings.Fields(os.Getenv(envOfWatch + "TARGETS"))
		}
	}
	return targets, strangers(c)
}

// strangers refuses variables that look as if they set a flag, and set none: a word
// that is not right would be passed over in silence.
func strangers(c *cobra.Command) error {
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		word, ours := strings.CutPrefix(name, envOfWatch)
		flag := strings.ReplaceAll(strings.ToLower(word), "_", "-")
		if ours && word != "TARGETS" && (c.Flags().Lookup(flag) == nil || slices.Contains(notInFile, flag)) {
			return fmt.Errorf("%s: watch has no flag --%s to be set by the environment", render.Clean(name), render.Clean(flag))
		}
	}
	return nil
}

func envName(flag string) string {
	return envOfWatch + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// readConfig reads flags and their values, more than one where the flag may be given
// more than once.
func readConfig(path string) (map[string][]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, mostConfig))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	var nodes map[string]yaml.Node
	if err := yaml.Unmarshal(b, &nodes); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	out := map[string][]string{}
	for name, n := range nodes {
		list := []*yaml.Node{&n}
		if n.Kind == yaml.SequenceNode {
			list = n.Content
		}
		for _, v := range list {
			if v.Kind != yaml.ScalarNode {
				return nil, fmt.Errorf("read %s: line %d: %s is a word, a number or a list of such", path, v.Line, name)
			}
			out[name] = append(out[name], v.Value)
		}
	}
	return out, nil
}

// checkConfig says what holds, and tries what can be tried without watching: secret,
// endpoint, keys of the store.
func (a *app) checkConfig(c *cobra.Command, f *watchFlags) error {
	if f.endpoint != "" {
		secret, err := f.key()
		if err != nil {
			return err
		}
		key, err := traceid.New(secret)
		if err != nil {
			return err
		}
		if _, err := otlp.New(c.Context(), otlp.Config{Endpoint: f.endpoint, Key: key, Say: func(string) {}}); err != nil {
			return err
		}
	}
	if f.uploadTo != "" {
		if _, err := store.Open(); err != nil {
			return err
		}
	}
	if len(f.targets) > 0 {
		fmt.Fprintf(a.out, "targets: %s\n", render.Clean(strings.Join(f.targets, " ")))
	}
	c.Flags().VisitAll(func(flag *pflag.Flag) {
		if flag.Changed && !slices.Contains(notInFile, flag.Name) {
			fmt.Fprintf(a.out, "%s: %s\n", flag.Name, render.Clean(flag.Value.String()))
		}
	})
	return nil
}
