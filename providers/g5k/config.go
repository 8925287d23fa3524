package g5k

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/providers/g5k/api"
)

// Config is the provider's block.
type Config struct {
	API        string   `nxc:"api,optional" doc:"Address of the interface, with its version: stable (default), 3.0 or sid. NXC_G5K_API takes its place where it is left out."`
	User       string   `nxc:"user,optional" doc:"Login at Grid'5000; by default the one that belongs to the password found, G5K_LOGIN, G5K_USER, or, within Grid'5000, USER."`
	Password   string   `nxc:"password,optional,sensitive" doc:"Password. Better kept out of files like this one: see credentials."`
	Command    []string `nxc:"credentials_command,optional" doc:"Program and arguments that print the password on their first line, such as pass show g5k."`
	Gateway    *string  `nxc:"gateway,optional" doc:"Access machine that leads to sites and nodes by ssh, host or host:port; an empty one within Grid'5000, where none is needed. NXC_G5K_GATEWAY takes its place where it is left out."`
	SSHKey     string   `nxc:"ssh_key,optional" doc:"Private key that frontends accept, beside those of the agent; by default the usual ones of ~/.ssh."`
	KnownHosts string   `nxc:"known_hosts,optional" doc:"File of known host keys, for the access machine and the frontends; by default ~/.ssh/known_hosts. NXC_G5K_KNOWN_HOSTS takes its place where it is left out."`
	NodeWait   string   `nxc:"node_wait,optional,default=2m" doc:"For how long a node may not answer before a spare one takes its place."`
	Poll       string   `nxc:"poll,optional,default=5s" doc:"How often what takes long is looked at, at first; later less often."`
}

// The places where nxc looks when nothing else is said.
const (
	publicAPI     = "https://api.grid5000.fr/stable"
	publicGateway = "access.grid5000.fr"
)

// testbed is what the configuration leads to. It is filled by configure, once,
// before any other call.
type testbed struct {
	client  *api.Client
	config  Config
	getenv  func(string) string
	folders plugins.Folders
	pace    api.Pace // of tests
	ways    ways
}

// nixStore is this machine's Nix store.
func (t *testbed) nixStore() sdk.NixStore { return sdk.NixStore(t.folders.StoreRoot) }

// configure finds the interface and the person, and asks whether they know
// each other.
func (t *testbed) configure(ctx context.Context, c Config, folders plugins.Folders) (plugins.Location, error) {
	if t.getenv == nil {
		t.getenv = os.Getenv
	}
	t.folders = folders
	if err := t.complete(&c); err != nil {
		return plugins.Location{}, err
	}
	base, err := url.Parse(c.API)
	if err != nil || base.Host == "" {
		return plugins.Location{}, sdk.AttributeError("api", fmt.Sprintf("%q is not the address of an interface", c.API), "Write it as "+publicAPI+".")
	}
	home := t.getenv("HOME")
	found, err := api.Search{
		User: c.User, Password: c.Password, Command: c.Command, Host: base.Host, Getenv: t.getenv, Home: home,
	}.Find(ctx)
	if err != nil {
		return plugins.Location{}, sdk.Error("The credentials for Grid'5000 cannot be read", err.Error())
	}
	c.User = found.User
	t.config = c
	if t.client, err = api.New(api.Options{Base: c.API, User: found.User, Password: found.Password, Pace: t.pace, Tell: sdk.Tell}); err != nil {
		return plugins.Location{}, sdk.AttributeError("api", "The address of the interface is not one", err.Error())
	}
	if _, err := t.client.Impatient().Sites(ctx); err != nil {
		return plugins.Location{}, t.notLetIn(err, found)
	}
	return plugins.Location{
		Kind: "grid5000", ID: base.Host + "/" + found.User, Label: "Grid'5000 as " + found.User,
	}, nil
}

// complete puts in what was left out.
func (t *testbed) complete(c *Config) error {
	or := func(field *string, name, otherwise string) {
		if *field == "" {
			*field = t.getenv(name)
		}
		if *field == "" {
			*field = otherwise
		}
	}
	or(&c.API, "NXC_G5K_API", publicAPI)
	or(&c.KnownHosts, "NXC_G5K_KNOWN_HOSTS", "")
	poll, err := time.ParseDuration(c.Poll)
	if err != nil || poll <= 0 {
		return sdk.AttributeError("poll", fmt.Sprintf("%q is not a time", c.Poll), "Write it as 5s or 1m.")
	}
	if t.pace.First == 0 {
		t.pace.First = poll
	}
	return nil
}

// notLetIn says why the interface cannot be used, and what to do.
func (t *testbed) notLetIn(err error, found api.Credentials) error {
	switch {
	case api.Is(err, http.StatusUnauthorized) && found.Password == "":
		return sdk.Error("There are no credentials for Grid'5000",
			"Its interface wants to know who you are. Put login and password into ~/.netrc (machine "+t.client.Host()+" login LOGIN password PASSWORD), "+
				"into ~/.python-grid5000.yaml (username, password), or into G5K_LOGIN and G5K_PASSWORD, or name a command that prints the password as credentials_command.")
	case api.Is(err, http.StatusUnauthorized):
		return sdk.Error(fmt.Sprintf("Grid'5000 does not accept the password of %s", found.User),
			fmt.Sprintf("Login and password come from %s. Try them at https://api.grid5000.fr, and correct them there.", found.From))
	case api.Is(err, http.StatusForbidden):
		return sdk.Error(fmt.Sprintf("Grid'5000 does not let %s in", orNobody(found.User)), said(err)+" Is the account still valid? See https://api.grid5000.fr/stable/users.")
	}
	return explain(err, "ask Grid'5000 for its sites")
}

func orNobody(user string) string {
	if user == "" {
		return "an unknown user"
	}
	return user
}
