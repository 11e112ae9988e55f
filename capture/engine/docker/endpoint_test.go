package docker

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// putContext writes a context as the docker command line does: under the digest of
// its name. It returns the directory of its certificates.
func putContext(t *testing.T, config, name, host string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	meta := map[string]any{"Name": name, "Metadata": map[string]any{}, "Endpoints": map[string]any{
		"docker": map[string]any{"Host": host, "SkipTLSVerify": false}}}
	b, err := json.Marshal(meta)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(config, "contexts", "meta", id, "meta.json"), b)
	return filepath.Join(config, "contexts", "tls", id, "docker")
}

func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// bare has docker's environment variables say nothing, and its configuration hold
// two contexts.
func bare(t *testing.T) (config string) {
	t.Helper()
	config = t.TempDir()
	for _, name := range []string{"DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_API_VERSION"} {
		t.Setenv(name, "")
	}
	t.Setenv("DOCKER_CONFIG", config)
	putContext(t, config, "far", "ssh://root@198.51.100.7")
	putContext(t, config, "near", "unix:///run/near.sock")
	return config
}

func TestWhichEngineIsMeantIsAsTheDockerCommandLineHasIt(t *testing.T) {
	for _, row := range []struct {
		story         string
		host, context string // flags
		env           map[string]string
		config        string // config.json
		want          string
		trouble       string
	}{
		{"nothing says anything", "", "", nil, "", "unix:///var/run/docker.sock", ""},
		{"a configuration without a context", "", "", nil, `{"auths":{}}`, "unix:///var/run/docker.sock", ""},
		{"the current context", "", "", nil, `{"currentContext":"far"}`, "ssh://root@198.51.100.7 (context far)", ""},
		{"the current context is the default one", "", "", nil, `{"currentContext":"default"}`, "unix:///var/run/docker.sock", ""},
		{"DOCKER_CONTEXT goes before the current context", "", "", map[string]string{"DOCKER_CONTEXT": "near"}, `{"currentContext":"far"}`, "unix:///run/near.sock (context near)", ""},
		{"DOCKER_HOST goes before both", "", "", map[string]string{"DOCKER_HOST": "tcp://127.0.0.1:2375", "DOCKER_CONTEXT": "near"}, `{"currentContext":"far"}`, "tcp://127.0.0.1:2375", ""},
		{"--context goes before DOCKER_HOST", "", "near", map[string]string{"DOCKER_HOST": "tcp://127.0.0.1:2375"}, "", "unix:///run/near.sock (context near)", ""},
		{"--context default is what DOCKER_HOST says", "", "default", map[string]string{"DOCKER_HOST": "tcp://127.0.0.1:2375"}, `{"currentContext":"far"}`, "tcp://127.0.0.1:2375", ""},
		{"-H goes before all that is not a flag", "unix:///mine.sock", "", map[string]string{"DOCKER_HOST": "tcp://127.0.0.1:2375", "DOCKER_CONTEXT": "near"}, `{"currentContext":"far"}`, "unix:///mine.sock", ""},
		{"an address and a port are of tcp", "127.0.0.1:2375", "", nil, "", "tcp://127.0.0.1:2375", ""},
		{"-H and --context", "unix:///mine.sock", "near", nil, "", "", "choose one"},
		{"a context that is not there", "", "neer", nil, "", "", `no context "neer"`},
		{"the ones that are there are named", "", "neer", nil, "", "", "there is default, far, near"},
		{"a current context that is not there", "", "", nil, `{"currentContext":"gone"}`, "", `no context "gone"`},
		{"a path is no URL", "/var/run/docker.sock", "", nil, "", "", "write unix:///PATH"},
		{"a configuration that is none", "", "", nil, `{`, "", "read docker's configuration"},
	} {
		t.Run(row.story, func(t *testing.T) {
			config := bare(t)
			for k, v := range row.env {
				t.Setenv(k, v)
			}
			if row.config != "" {
				put(t, filepath.Join(config, "config.json"), []byte(row.config))
			}
			ep, err := Choose(row.host, row.context)
			switch {
			case row.trouble != "":
				if err == nil || !strings.Contains(err.Error(), row.trouble) || strings.Contains(err.Error(), "\n") {
					t.Errorf("got %v and %v, want it to say %q on one line", ep, err, row.trouble)
				}
			case err != nil:
				t.Error(err)
			case ep.String() != row.want:
				t.Errorf("%s is meant, want %s", ep, row.want)
			}
		})
	}
}

// The certificates of an engine come from its context, or from where docker's
// environment variables say; without them it is not trusted.
func TestCertificatesAreThoseOfTheContextOrTheEnvironment(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("API-Version", "1.41")
	}))
	defer server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	host := "tcp://" + server.Listener.Addr().(*net.TCPAddr).String()
	dial := func(host, name string) error {
		ep, err := Choose(host, name)
		if err != nil {
			return err
		}
		e, err := ep.Dial(context.Background())
		if err == nil {
			err = e.Close()
		}
		return err
	}
	config := bare(t)
	put(t, filepath.Join(putContext(t, config, "trusted", host), "ca.pem"), ca)
	putContext(t, config, "plain", host)
	if err := dial("", "trusted"); err != nil {
		t.Errorf("with the context's certificate: %v", err)
	}
	if err := dial("", "plain"); err == nil {
		t.Error("an engine that speaks TLS was spoken to without")
	}
	t.Setenv("DOCKER_TLS_VERIFY", "1")
	put(t, filepath.Join(config, "ca.pem"), ca)
	if err := dial(host, ""); err == nil || !strings.Contains(err.Error(), "cert.pem") {
		t.Errorf("without the client's certificate in docker's configuration: %v", err)
	}
}

func TestWhatSSHSaysIsToldOnOneLine(t *testing.T) {
	for _, row := range []struct{ story, printed, want string }{
		{"it may not ask for a password", "user@host: Permission denied (publickey,password).\n", "load a key (ssh-add)"},
		{"the host is not known", "No ED25519 host key is known for host and you have requested strict checking.\nHost key verification failed.\n", "connect by hand once"},
		{"docker is not installed there", "bash: line 1: docker: command not found\n", "not installed there"},
		{"nobody answers", "ssh: connect to host 198.51.100.7 port 22: Connection refused\n", "Connection refused"},
	} {
		err := sshError(errString("error during connect: command [ssh -- host docker system dial-stdio] has exited with exit status 255, make sure the URL is valid: stderr=" + row.printed))
		if !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q", row.story, err)
		}
	}
}

type errString string

func (e errString) Error() string { return string(e) }
