package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/moby/client"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Config is the body of a provider block.
type Config struct {
	Host string `nxc:"host,optional" doc:"The engine's address: unix://, tcp://, ssh://. By default DOCKER_HOST, else the current docker context's, else the local socket."`
	CA   string `nxc:"ca,optional" doc:"File with the certificate of the authority that signed the engine's certificate, for tcp://."`
	Cert string `nxc:"cert,optional" doc:"File with the client's certificate, for tcp://."`
	Key  string `nxc:"key,optional" doc:"File with the client's key, for tcp://."`

	Subnets []string `nxc:"subnets,optional" doc:"Where deployments get their subnets, as prefixes of IPv4 such as 10.200.0.0/16. By default those in NXC_DOCKER_SUBNETS, separated by commas, else private ones from 10.89.0.0/16 on."`
}

// endpoint is where an engine listens, and how we know.
type endpoint struct {
	host   string
	source string // "DOCKER_HOST", for messages
	tls    *[3]string
}

// environment is what the choice of an endpoint depends on beside the
// configuration.
type environment struct {
	getenv func(string) string
	exists func(path string) bool
	read   func(path string) ([]byte, error)
}

func ownEnvironment() environment {
	return environment{
		getenv: os.Getenv,
		exists: func(path string) bool { _, err := os.Stat(path); return err == nil },
		read:   os.ReadFile,
	}
}

// chooseEndpoint finds the engine's address as the docker command does:
// configuration, DOCKER_HOST, the current context, the local socket.
func chooseEndpoint(c Config, env environment) (endpoint, error) {
	e, err := chooseHost(c, env)
	if err != nil {
		return e, err
	}
	switch {
	case c.CA != "" || c.Cert != "" || c.Key != "":
		e.tls = &[3]string{c.CA, c.Cert, c.Key}
	case env.getenv("DOCKER_TLS_VERIFY") != "" && strings.HasPrefix(e.host, "tcp://"):
		folder := env.getenv("DOCKER_CERT_PATH")
		if folder == "" {
			folder = dockerFolder(env)
		}
		e.tls = &[3]string{filepath.Join(folder, "ca.pem"), filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")}
	}
	return e, nil
}

func chooseHost(c Config, env environment) (endpoint, error) {
	if c.Host != "" {
		return endpoint{host: c.Host, source: "the provider block's host"}, nil
	}
	if host := env.getenv("DOCKER_HOST"); host != "" {
		return endpoint{host: host, source: "DOCKER_HOST"}, nil
	}
	name, err := contextName(env)
	if err != nil {
		return endpoint{}, err
	}
	if name != "" && name != "default" {
		host, err := contextHost(name, env)
		e := endpoint{host: host, source: "the docker context " + name}
		if folder := contextFolder(name, "tls", env) + "/docker"; err == nil && env.exists(filepath.Join(folder, "ca.pem")) {
			e.tls = &[3]string{filepath.Join(folder, "ca.pem"), filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")}
		}
		return e, err
	}
	host := client.DefaultDockerHost
	if own := env.getenv("XDG_RUNTIME_DIR"); own != "" {
		socket := filepath.Join(own, "docker.sock")
		if !env.exists(strings.TrimPrefix(host, "unix://")) && env.exists(socket) {
			return endpoint{host: "unix://" + socket, source: "the user's own engine"}, nil
		}
	}
	return endpoint{host: host, source: "the default"}, nil
}

// dockerFolder is where the docker command keeps its settings.
func dockerFolder(env environment) string {
	if folder := env.getenv("DOCKER_CONFIG"); folder != "" {
		return folder
	}
	return filepath.Join(env.getenv("HOME"), ".docker")
}

// contextName is the docker context in use, "" when none was ever chosen.
func contextName(env environment) (string, error) {
	if name := env.getenv("DOCKER_CONTEXT"); name != "" {
		return name, nil
	}
	file := filepath.Join(dockerFolder(env), "config.json")
	text, err := env.read(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	var settings struct {
		CurrentContext string `json:"currentContext"`
	}
	if err == nil {
		err = json.Unmarshal(text, &settings)
	}
	if err != nil {
		return "", sdk.Error("The docker command's settings cannot be read",
			fmt.Sprintf("%s: %s. Mend the file, or name the engine in DOCKER_HOST or in the provider block's host.", file, err))
	}
	return settings.CurrentContext, nil
}

// contextFolder is where a docker context keeps what is of a kind: "meta" or
// "tls". Contexts lie in folders named for the hash of their name.
func contextFolder(name, kind string, env environment) string {
	sum := sha256.Sum256([]byte(name))
	return filepath.Join(dockerFolder(env), "contexts", kind, hex.EncodeToString(sum[:]))
}

// contextHost is the address that a docker context stands for.
func contextHost(name string, env environment) (string, error) {
	file := filepath.Join(contextFolder(name, "meta", env), "meta.json")
	var meta struct {
		Endpoints map[string]struct{ Host string }
	}
	text, err := env.read(file)
	if err == nil {
		err = json.Unmarshal(text, &meta)
	}
	if host := meta.Endpoints["docker"].Host; err == nil && host != "" {
		return host, nil
	}
	if err == nil {
		err = fmt.Errorf("%s names no host", file)
	}
	return "", sdk.Error(fmt.Sprintf("The docker context %q cannot be used", name),
		fmt.Sprintf("%s. Choose another with docker context use, or name the engine in DOCKER_HOST or in the provider block's host.", err))
}

// local reports whether the endpoint is on this machine.
func (e endpoint) local() bool {
	u, err := url.Parse(e.host)
	if err != nil {
		return false
	}
	switch u.Scheme {
	case "unix", "npipe":
		return true
	case "tcp", "http", "https":
		if u.Hostname() == "localhost" {
			return true
		}
		ip := net.ParseIP(u.Hostname())
		return ip != nil && ip.IsLoopback()
	}
	return false
}

// options are the client's, for this endpoint.
func (e endpoint) options() ([]client.Opt, error) {
	scheme, _, _ := strings.Cut(e.host, "://")
	switch scheme {
	case "unix", "tcp", "http", "https":
	case "ssh":
		dial, err := dialSSH(e)
		if err != nil {
			return nil, err
		}
		return []client.Opt{client.WithUserAgent("nxc/" + Version), client.WithHost("http://engine.over.ssh"), client.WithDialContext(dial)}, nil
	default:
		return nil, sdk.Error("The engine's address is not understood",
			fmt.Sprintf("%s says %q; write unix:///path/of/the.sock, tcp://host:port or ssh://user@host.", e.source, e.host))
	}
	opts := []client.Opt{client.WithUserAgent("nxc/" + Version)}
	if e.tls != nil {
		opts = append(opts, client.WithTLSClientConfig(e.tls[0], e.tls[1], e.tls[2]))
	}
	return append(opts, client.WithHost(e.host)), nil
}
