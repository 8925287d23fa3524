package docker

import (
	"io/fs"
	"slices"
	"testing"
)

// The folder is the hash of the context's name, "lab".
const labMeta = "/home/u/.docker/contexts/meta/a51146d38077ff992eba84cf1d5e9b249073503eb74868699016153b031a38f7/meta.json"

func TestChooseEndpoint(t *testing.T) {
	for name, test := range map[string]struct {
		config  Config
		env     map[string]string
		files   map[string]string
		sockets []string
		want    endpoint
		local   bool
		err     string
	}{
		"default":       {want: endpoint{host: "unix:///var/run/docker.sock", source: "the default"}, local: true},
		"configuration": {config: Config{Host: "unix:///x"}, env: map[string]string{"DOCKER_HOST": "unix:///y"}, want: endpoint{host: "unix:///x", source: "the provider block's host"}, local: true},
		"DOCKER_HOST":   {env: map[string]string{"DOCKER_HOST": "tcp://lab:2375", "DOCKER_CONTEXT": "lab"}, want: endpoint{host: "tcp://lab:2375", source: "DOCKER_HOST"}},
		"loopback":      {env: map[string]string{"DOCKER_HOST": "tcp://127.0.0.1:2375"}, want: endpoint{host: "tcp://127.0.0.1:2375", source: "DOCKER_HOST"}, local: true},
		"TLS": {config: Config{Host: "tcp://lab:2376"}, env: map[string]string{"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/c"},
			want: endpoint{host: "tcp://lab:2376", source: "the provider block's host", tls: &[3]string{"/c/ca.pem", "/c/cert.pem", "/c/key.pem"}}},
		"TLS of the configuration": {config: Config{Host: "tcp://lab:2376", CA: "a", Cert: "b", Key: "c"},
			want: endpoint{host: "tcp://lab:2376", source: "the provider block's host", tls: &[3]string{"a", "b", "c"}}},
		"current context": {files: map[string]string{"/home/u/.docker/config.json": `{"currentContext": "lab"}`, labMeta: `{"Endpoints": {"docker": {"Host": "unix:///lab.sock"}}}`},
			want: endpoint{host: "unix:///lab.sock", source: "the docker context lab"}, local: true},
		"default context":    {files: map[string]string{"/home/u/.docker/config.json": `{"currentContext": "default"}`}, want: endpoint{host: "unix:///var/run/docker.sock", source: "the default"}, local: true},
		"the user's own":     {env: map[string]string{"XDG_RUNTIME_DIR": "/run/user/1"}, sockets: []string{"/run/user/1/docker.sock"}, want: endpoint{host: "unix:///run/user/1/docker.sock", source: "the user's own engine"}, local: true},
		"system engine wins": {env: map[string]string{"XDG_RUNTIME_DIR": "/run/user/1"}, sockets: []string{"/run/user/1/docker.sock", "/var/run/docker.sock"}, want: endpoint{host: "unix:///var/run/docker.sock", source: "the default"}, local: true},
		"context without host": {env: map[string]string{"DOCKER_CONTEXT": "lab"}, files: map[string]string{labMeta: `{}`},
			err: `The docker context "lab" cannot be used: ` + labMeta + ` names no host. Choose another with docker context use, or name the engine in DOCKER_HOST or in the provider block's host.`},
		"broken settings": {files: map[string]string{"/home/u/.docker/config.json": `{`},
			err: "The docker command's settings cannot be read: /home/u/.docker/config.json: unexpected end of JSON input. Mend the file, or name the engine in DOCKER_HOST or in the provider block's host."},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := chooseEndpoint(test.config, environment{
				getenv: func(name string) string {
					if name == "HOME" {
						return "/home/u"
					}
					return test.env[name]
				},
				exists: func(path string) bool { return slices.Contains(test.sockets, path) },
				read: func(path string) ([]byte, error) {
					if text, ok := test.files[path]; ok {
						return []byte(text), nil
					}
					return nil, fs.ErrNotExist
				},
			})
			if test.err != "" {
				if err == nil || err.Error() != test.err {
					t.Errorf("got  %v\nwant %s", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			same := got.tls == nil && test.want.tls == nil || got.tls != nil && test.want.tls != nil && *got.tls == *test.want.tls
			if got.host != test.want.host || got.source != test.want.source || !same {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if got.local() != test.local {
				t.Errorf("local: %v, want %v", got.local(), test.local)
			}
		})
	}
}
