package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"dnatrace/cmd/internal/render"
)

// dnatrace is a plugin of the docker command: an executable docker-dnatrace in one of
// its folders, which tells what it is when it is asked to, and is called with the
// arguments of docker, its own name among them (docker/cli, cli-plugins/manager).
const (
	pluginName     = "docker-dnatrace"
	pluginMetadata = "docker-cli-plugin-metadata"
)

// asPlugin makes the command line of one that docker runs that of dnatrace: docker's own
// flags in front become the environment that they stand for.
func asPlugin(self string, args []string) []string {
	if !strings.HasPrefix(filepath.Base(self), pluginName) {
		return args
	}
	for i := 0; i < len(args); i++ {
		name, value, joined := strings.Cut(args[i], "=")
		env := map[string]string{"--context": "DOCKER_CONTEXT", "-c": "DOCKER_CONTEXT", "--host": "DOCKER_HOST", "-H": "DOCKER_HOST", "--config": "DOCKER_CONFIG"}[name]
		switch {
		case args[i] == "dnatrace":
			return args[i+1:]
		case env == "":
		case joined:
			os.Setenv(env, value)
		case i+1 < len(args):
			i++
			os.Setenv(env, args[i])
		}
	}
	return args
}

func (a *app) pluginCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "plugin install|remove",
		Short: "Make it a command of docker's: docker dnatrace diagnose 8080",
		Long: `Make dnatrace a command of docker's, so that docker dnatrace diagnose 8080 does what
dnatrace diagnose 8080 does. It takes a link in the folder of docker's plugins: that of
all users for root (/usr/local/lib/docker/cli-plugins), else the user's own
(~/.docker/cli-plugins, or cli-plugins in DOCKER_CONFIG).`,
		Example: `  sudo dnatrace plugin install
  sudo docker dnatrace diagnose 8080
  sudo dnatrace plugin remove`,
		RunE: func(c *cobra.Command, _ []string) error { return usagef(c, "install or remove: say which") },
	}
	var dir string
	install := &cobra.Command{
		Use: "install", Short: "Put the link into place", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.installPlugin(dir) },
	}
	remove := &cobra.Command{
		Use: "remove", Short: "Take it away", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.removePlugin(dir) },
	}
	for _, sub := range []*cobra.Command{install, remove} {
		sub.Flags().StringVar(&dir, "folder", "", "the folder of docker's plugins")
		c.AddCommand(sub)
	}
	return c
}

// metadataCommand answers docker when it asks what this is.
func (a *app) metadataCommand() *cobra.Command {
	return &cobra.Command{
		Use: pluginMetadata, Hidden: true,
		RunE: func(*cobra.Command, []string) error {
			e := json.NewEncoder(a.out)
			e.SetIndent("", "  ")
			return e.Encode(map[string]string{
				"SchemaVersion": "0.1.0", "Vendor": "dnatrace", "Version": buildVersion(),
				"ShortDescription": "Show where a request to a published port is dropped, refused or lost, and why",
			})
		},
	}
}

// pluginFolder is where docker looks for plugins of this user.
func pluginFolder(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	if os.Geteuid() == 0 {
		return "/usr/local/lib/docker/cli-plugins", nil
	}
	if config := os.Getenv("DOCKER_CONFIG"); config != "" {
		return filepath.Join(config, "cli-plugins"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find docker's folder: %w", err)
	}
	return filepath.Join(home, ".docker", "cli-plugins"), nil
}

func (a *app) installPlugin(dir string) error {
	dir, err := pluginFolder(dir)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make docker's folder of plugins: %w", err)
	}
	link := filepath.Join(dir, pluginName)
	if st, err := os.Lstat(link); err == nil && st.Mode()&fs.ModeSymlink == 0 {
		return remedied{fmt.Errorf("install the plugin: %s exists, and is no link", link), "remove it, or name another --folder"}
	}
	if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("install the plugin: %w", err)
	}
	if err := os.Symlink(self, link); err != nil {
		return fmt.Errorf("install the plugin: %w", err)
	}
	fmt.Fprintf(a.err, "%s leads to %s: docker dnatrace --help\n", render.Clean(link), render.Clean(self))
	return nil
}

func (a *app) removePlugin(dir string) error {
	dir, err := pluginFolder(dir)
	if err != nil {
		return err
	}
	link := filepath.Join(dir, pluginName)
	st, err := os.Lstat(link)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		fmt.Fprintf(a.err, "%s is not there\n", render.Clean(link))
		return nil
	case err != nil:
		return fmt.Errorf("remove the plugin: %w", err)
	case st.Mode()&fs.ModeSymlink == 0:
		return fmt.Errorf("remove the plugin: %s is no link: it was not made by plugin install", link)
	}
	if err := os.Remove(link); err != nil {
		return fmt.Errorf("remove the plugin: %w", err)
	}
	fmt.Fprintf(a.err, "removed %s\n", render.Clean(link))
	return nil
}
