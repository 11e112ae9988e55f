package docker

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/cli/cli/connhelper"
	dockercontext "github.com/docker/cli/cli/context"
	"github.com/docker/cli/cli/context/store"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/tlsconfig"
)

// Endpoint is an engine that was chosen, and how to connect to it.
type Endpoint struct {
	Host    string // a URL
	Context string // the context that names it; "" for none

	askedHost, askedContext string // by whom it was chosen, to choose it again

	tls        *dockercontext.TLSData // of the context; nil for none
	unverified bool                   // the context has the engine's certificate taken as it is
}

// defaultContext is the name of what holds without a context, and dockerEndpoint
// that of the engine in one.
const (
	defaultContext = "default"
	dockerEndpoint = "docker"
)

// Choose settles which engine is meant, as the docker command line does: the host
// if one is given ("unix:///PATH", "tcp://ADDRESS:PORT", "ssh://USER@HOST"), else
// the context, else DOCKER_HOST, else DOCKER_CONTEXT, else the current context of
// docker's configuration, else the local engine. An error says what is wrong with
// the choice; nothing was contacted.
func Choose(host, context string) (*Endpoint, error) {
	ep, err := choose(host, context)
	if err == nil {
		ep.askedHost, ep.askedContext = host, context
	}
	return ep, err
}

func choose(host, context string) (*Endpoint, error) {
	if host != "" && context != "" {
		return nil, errors.New("choose engine: a host and a context are both given: choose one")
	}
	fallback := os.Getenv(client.EnvOverrideHost)
	if host == "" && context == "" && fallback == "" {
		if context = os.Getenv("DOCKER_CONTEXT"); context == "" {
			var err error
			if context, err = currentContext(); err != nil {
				return nil, err
			}
		}
	}
	if context != "" && context != defaultContext {
		return fromContext(context)
	}
	for _, url := range []string{host, fallback, client.DefaultDockerHost} {
		if url != "" {
			return fromURL(url)
		}
	}
	return nil, errors.New("choose engine: none is given")
}

// fromURL is the engine at a host. A bare ADDRESS:PORT is one of tcp.
func fromURL(host string) (*Endpoint, error) {
	if !strings.Contains(host, "://") {
		if strings.Contains(host, "/") || !strings.Contains(host, ":") {
			return nil, fmt.Errorf("choose engine %q: not a URL: write unix:///PATH, tcp://ADDRESS:PORT or ssh://USER@HOST", host)
		}
		host = "tcp://" + host
	}
	return &Endpoint{Host: host}, nil
}

// configDir is where docker keeps its configuration.
func configDir() string {
	if dir := os.Getenv("DOCKER_CONFIG"); dir != "" {
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".docker")
}

// currentContext is that of docker's configuration; "" if there is none.
func currentContext() (string, error) {
	path := filepath.Join(configDir(), "config.json")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("choose engine: read docker's configuration: %w", err)
	}
	var config struct {
		CurrentContext string `json:"currentContext"`
	}
	if err := json.Unmarshal(b, &config); err != nil {
		return "", fmt.Errorf("choose engine: read docker's configuration %s: %w", path, err)
	}
	return config.CurrentContext, nil
}

// fromContext is the engine that a context names.
func fromContext(name string) (*Endpoint, error) {
	contexts := store.New(filepath.Join(configDir(), "contexts"), store.NewConfig(
		func() any { return &map[string]any{} },
		store.EndpointTypeGetter(dockerEndpoint, func() any { return &dockercontext.EndpointMetaBase{} })))
	meta, err := contexts.GetMetadata(name)
	if err != nil {
		return nil, noContext(contexts, name, err)
	}
	about, ok := meta.Endpoints[dockerEndpoint].(dockercontext.EndpointMetaBase)
	if !ok || about.Host == "" {
		return nil, fmt.Errorf("choose engine: context %q names no engine", name)
	}
	certificates, err := dockercontext.LoadTLSData(contexts, name, dockerEndpoint)
	if err != nil {
		return nil, fmt.Errorf("choose engine: context %q: read its certificates: %w", name, err)
	}
	return &Endpoint{Host: about.Host, Context: name, tls: certificates, unverified: about.SkipTLSVerify}, nil
}

// noContext names the contexts that there are.
func noContext(contexts store.Store, name string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) && !strings.Contains(err.Error(), "not found") {
		return fmt.Errorf("choose engine: context %q: %w", name, err)
	}
	names := []string{defaultContext}
	if all, err := contexts.List(); err == nil {
		for _, c := range all {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	return fmt.Errorf("choose engine: there is no context %q in %s: there is %s", name, filepath.Join(configDir(), "contexts"), strings.Join(names, ", "))
}

// String is the engine as it is told of.
func (ep *Endpoint) String() string {
	if ep.Context != "" {
		return fmt.Sprintf("%s (context %s)", ep.Host, ep.Context)
	}
	return ep.Host
}

// base is the engine's URL as HTTP has it.
func (ep *Endpoint) base() string {
	address, ok := strings.CutPrefix(ep.Host, "tcp://")
	switch {
	case !ok:
		return "http://docker"
	case ep.tls != nil, ep.unverified, ep.Context == "" && (os.Getenv(client.EnvTLSVerify) != "" || os.Getenv(client.EnvOverrideCertPath) != ""):
		return "https://" + address
	}
	return "http://" + address
}

// isSSH reports whether it is reached by way of ssh.
func (ep *Endpoint) isSSH() bool { return strings.HasPrefix(ep.Host, "ssh://") }

// options are those of a client of the engine.
func (ep *Endpoint) options() ([]client.Opt, error) {
	all := []client.Opt{client.WithVersionFromEnv(), client.WithAPIVersionNegotiation()}
	switch {
	case ep.isSSH():
		through, err := connhelper.GetConnectionHelper(ep.Host)
		if err != nil {
			return nil, err
		}
		web := &http.Client{Transport: &http.Transport{DialContext: through.Dialer}}
		return append(all, client.WithHTTPClient(web), client.WithHost(through.Host), client.WithDialContext(through.Dialer)), nil
	case ep.tls != nil || ep.unverified:
		config, err := ep.tlsConfig()
		if err != nil {
			return nil, err
		}
		web := &http.Client{Transport: &http.Transport{TLSClientConfig: config}, CheckRedirect: client.CheckRedirect}
		return append(all, client.WithHTTPClient(web), client.WithHost(ep.Host)), nil
	case ep.Context == "" && os.Getenv(client.EnvTLSVerify) != "" && os.Getenv(client.EnvOverrideCertPath) == "":
		dir := configDir()
		certs := client.WithTLSClientConfig(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
		return append(all, certs, client.WithHost(ep.Host)), nil
	case ep.Context == "":
		return append(all, client.WithTLSClientConfigFromEnv(), client.WithHost(ep.Host)), nil
	}
	return append(all, client.WithHost(ep.Host)), nil
}

// tlsConfig is what a context says of certificates.
func (ep *Endpoint) tlsConfig() (*tls.Config, error) {
	config := tlsconfig.ClientDefault()
	config.InsecureSkipVerify = ep.unverified
	if ep.tls == nil {
		return config, nil
	}
	if ep.tls.CA != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(ep.tls.CA) {
			return nil, errors.New("ca.pem of the context holds no certificate")
		}
	}
	if ep.tls.Cert != nil && ep.tls.Key != nil {
		pair, err := tls.X509KeyPair(ep.tls.Cert, ep.tls.Key)
		if err != nil {
			return nil, fmt.Errorf("cert.pem and key.pem of the context: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
