package simulator

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/providers/g5k/simulator/platform"
)

// image is an environment as it is put on nodes.
type image struct {
	name        string
	standard    bool   // one of the platform's own: there is no file behind it
	url         string // of the image's file
	kind        string // tar, dd, fsa
	compression string
	kernel      string
	initrd      string
	params      string
	post        []postinstall
	keys        []ssh.PublicKey // who may log in as root
}

// postinstall is an archive with a script that ends an installation.
type postinstall struct {
	Archive     string `yaml:"archive"`
	Compression string `yaml:"compression"`
	Script      string `yaml:"script"`
}

// description is kadeploy's description of an environment, in YAML.
type description struct {
	Name          string `yaml:"name"`
	Version       any    `yaml:"version"`
	Alias         string `yaml:"alias"`
	Arch          string `yaml:"arch"`
	Description   string `yaml:"description"`
	Author        string `yaml:"author"`
	Visibility    string `yaml:"visibility"`
	Destructive   any    `yaml:"destructive"`
	OS            string `yaml:"os"`
	Filesystem    string `yaml:"filesystem"`
	PartitionType any    `yaml:"partition_type"`
	Multipart     bool   `yaml:"multipart"`
	Image         struct {
		File        string `yaml:"file"`
		Kind        string `yaml:"kind"`
		Compression string `yaml:"compression"`
	} `yaml:"image"`
	Preinstall   any           `yaml:"preinstall"`
	Postinstalls []postinstall `yaml:"postinstalls"`
	Boot         struct {
		Kernel        string `yaml:"kernel"`
		Initrd        string `yaml:"initrd"`
		Params        string `yaml:"kernel_params"`
		Hypervisor    string `yaml:"hypervisor"`
		HyperParams   string `yaml:"hypervisor_params"`
		UseFirmware   any    `yaml:"efi"`
		InitrdVersion any    `yaml:"-"`
	} `yaml:"boot"`
	Options any `yaml:"options"`
	Custom  any `yaml:"custom_variables"`
}

// environments are those that the user may name.
func (s *Simulator) environments() []platform.Environment { return platform.Environments() }

// loadEnvironment finds what a deployment names: an environment that the
// platform has, or the URL of a description.
func (s *Simulator) loadEnvironment(t *site, user string, sub deploymentSubmission) (image, error) {
	if strings.Contains(sub.Environment, "://") {
		return s.describedEnvironment(t, sub.Environment)
	}
	name, owner, _ := strings.Cut(sub.Environment, "@")
	for _, e := range s.environments() {
		if (name == e.Name || name == e.Alias) && (owner == "" || owner == e.User) && (sub.Arch == "" || sub.Arch == e.Arch) {
			return image{name: e.Name, standard: true}, nil
		}
	}
	return image{}, badRequest("Cannot launch deployment: The environment %s cannot be loaded. Maybe the version number does not exist or it belongs to another user", sub.Environment)
}

func (s *Simulator) describedEnvironment(t *site, at string) (image, error) {
	text, err := s.fetch(s.ctx, at)
	if err != nil {
		return image{}, failure{500, fmt.Sprintf("Cannot launch deployment: Error fetching the image description file: %v", err)}
	}
	e, err := parseDescription(text)
	if err != nil {
		return image{}, badRequest("Cannot launch deployment: Invalid environment description: %v", err)
	}
	i := image{
		name: e.Name, url: e.Image.File, kind: e.Image.Kind, compression: e.Image.Compression, kernel: e.Boot.Kernel, initrd: e.Boot.Initrd,
		params: e.Boot.Params, post: e.Postinstalls,
	}
	for _, file := range append([]string{i.url}, archives(i.post)...) {
		if err := s.reachable(t, file); err != nil {
			return image{}, badRequest("Cannot launch deployment: %v", err)
		}
	}
	return i, nil
}

func archives(post []postinstall) (all []string) {
	for _, p := range post {
		all = append(all, p.Archive)
	}
	return all
}

// parseDescription reads a description, and wants what kadeploy wants of it.
func parseDescription(text []byte) (description, error) {
	var e description
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&e); err != nil {
		return e, err
	}
	oneOf := func(field, value string, values ...string) error {
		if !slices.Contains(values, value) {
			return fmt.Errorf("field '%s' has the value '%s', which is none of %s", field, value, strings.Join(values, ", "))
		}
		return nil
	}
	switch {
	case e.Name == "":
		return e, fmt.Errorf("field 'name' is missing")
	case e.Image.File == "":
		return e, fmt.Errorf("field 'image.file' is missing")
	case e.OS == "":
		return e, fmt.Errorf("field 'os' is missing")
	case e.Image.Kind == "tar" && e.Boot.Kernel == "":
		return e, fmt.Errorf("field 'boot.kernel' is missing")
	case e.Image.Kind == "tar" && e.Filesystem == "":
		return e, fmt.Errorf("field 'filesystem' is missing")
	}
	if err := oneOf("image.kind", e.Image.Kind, "tar", "dd", "fsa"); err != nil {
		return e, err
	}
	if e.Visibility != "" {
		if err := oneOf("visibility", e.Visibility, "private", "shared", "public"); err != nil {
			return e, err
		}
	}
	return e, oneOf("image.compression", e.Image.Compression, "gzip", "bzip2", "xz", "zstd")
}

// reachable checks that a file of a description exists.
func (s *Simulator) reachable(t *site, at string) error {
	switch {
	case strings.HasPrefix(at, "server://"):
		return nil // the platform's own
	case strings.Contains(at, "://"):
		ctx, cancel := context.WithTimeout(s.ctx, 20*time.Second)
		defer cancel()
		resp, err := s.get(ctx, http.MethodHead, at)
		if err != nil {
			return fmt.Errorf("Unable to fetch %s: %w", at, err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("Unable to fetch %s: HTTP error %d", at, resp.StatusCode)
		}
		return nil
	}
	return fmt.Errorf("the file %s cannot be found: files of an anonymous environment need an URL", at)
}

// get asks for an URL as the platform's machines do: public folders by their
// names there, and whatever this machine reaches.
func (s *Simulator) get(ctx context.Context, method, at string) (*http.Response, error) {
	u, err := url.Parse(at)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%s protocol not supported yet", u.Scheme)
	}
	client := http.Client{}
	if name, ok := strings.CutPrefix(u.Hostname(), "public."); ok && s.sites[strings.TrimSuffix(name, "."+platform.Domain)] != nil {
		u.Scheme = "http"
		client.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, strings.TrimPrefix(s.publicURL, "http://"))
		}}
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, err
	}
	return client.Do(req)
}

// fetch reads a small file.
func (s *Simulator) fetch(ctx context.Context, at string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	resp, err := s.get(ctx, http.MethodGet, at)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", at, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, 4<<20))
}

// keys reads what a deployment says of who may log in: keys, or the URL of
// them.
func (s *Simulator) keys(text string) ([]ssh.PublicKey, error) {
	raw := []byte(text)
	if strings.Contains(text, "://") {
		var err error
		if raw, err = s.fetch(s.ctx, text); err != nil {
			return nil, failure{500, fmt.Sprintf("Cannot launch deployment: Error fetching the key: %v", err)}
		}
	}
	return parseKeys(raw), nil
}

// parseKeys reads an authorized_keys file, and leaves out what is no key.
func parseKeys(raw []byte) (keys []ssh.PublicKey) {
	for len(raw) > 0 {
		key, _, _, rest, err := ssh.ParseAuthorizedKey(raw)
		if err != nil {
			return keys
		}
		keys, raw = append(keys, key), rest
	}
	return keys
}
