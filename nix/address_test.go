package nix

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseStoreAddress(t *testing.T) {
	cases := map[string]struct {
		remote, root, setting string
		problem               string
	}{
		"auto":                          {setting: "auto"},
		"daemon":                        {setting: "daemon"},
		"unix:///run/nix.sock":          {setting: "unix:///run/nix.sock"},
		"/":                             {setting: "local"},
		"~/.local/share/nix/root":       {root: "/home/u/.local/share/nix/root", setting: "local?root=/home/u/.local/share/nix/root"},
		"/scratch/nix/":                 {root: "/scratch/nix", setting: "local?root=/scratch/nix"},
		"local?root=/scratch":           {root: "/scratch", setting: "local?root=/scratch"},
		"local?root=%2Fscratch":         {root: "/scratch", setting: "local?root=/scratch"},
		"local:///scratch":              {root: "/scratch", setting: "local?root=/scratch"},
		"ssh-ng://me@build?ssh-key=/k":  {remote: "ssh-ng://me@build?ssh-key=/k"},
		"ssh://build":                   {remote: "ssh-ng://build"},
		"ssh://build?remote-program=/x": {problem: "Write ssh-ng://"},
		"ssh-ng://":                     {problem: "names no machine"},
		"ssh-ng://-oProxyCommand=x":     {problem: "names no machine"},
		"ssh-ng://build/path":           {problem: "names no machine"},
		"./store":                       {problem: "not absolute"},
		"local?root=/a&real=/b":         {problem: "other parameters"},
		"unix:///run/nix.sock?root=/a":  {problem: "parameters of a daemon's"},
		"https://cache.example.org":     {problem: "no store that nxc can use"},
		"demon":                         {problem: "no store that nxc can use"},
		"/a b":                          {problem: "cannot be given"},
	}
	for text, c := range cases {
		t.Run(text, func(t *testing.T) {
			got, err := ParseStoreAddress(text, "/home/u")
			if c.problem != "" {
				if err == nil || !strings.Contains(err.Error(), c.problem) {
					t.Errorf("got %v, want %q", err, c.problem)
				}
				return
			}
			if want := (StoreAddress{c.remote, c.root, c.setting}); err != nil || got != want {
				t.Errorf("got %+v, %v, want %+v", got, err, want)
			}
		})
	}
}

func TestFindStore(t *testing.T) {
	const there = "ssh-ng://build"
	cases := map[string]struct {
		project, user string
		environ       []string
		want          StoreAddress
		problem       string
	}{
		"nobody says anything":      {},
		"the project":               {project: "/a", user: "/b", want: inFolder("/a")},
		"the user's file":           {user: "/b", environ: []string{"NIX_REMOTE=/c"}, want: inFolder("/b")},
		"the environment":           {environ: []string{"NIX_REMOTE=local?root=/c"}, want: inFolder("/c")},
		"the user's daemon":         {environ: []string{"NIX_REMOTE=daemon"}},
		"the project's daemon":      {project: "daemon", user: "/b", want: StoreAddress{setting: "daemon"}},
		"another machine":           {project: there, want: StoreAddress{Remote: there}},
		"another machine, and ours": {project: there, user: "/b", want: StoreAddress{Remote: there, Root: "/b", setting: "local?root=/b"}},
		"the project's home":        {project: "~/n", environ: []string{"HOME=/home/u"}, want: inFolder("/home/u/n")},
		"the user's other machine":  {environ: []string{"NIX_REMOTE=" + there}, problem: `build { store = "ssh-ng://build" }`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := findStore([]Setting{{"store", c.project}}, settings{"store": c.user}, c.environ)
			switch {
			case c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)):
				t.Errorf("got %v, want %q", err, c.problem)
			case c.problem == "" && (err != nil || got != c.want):
				t.Errorf("got %+v, %v, want %+v", got, err, c.want)
			}
		})
	}
}

// A user of a machine without Nix's folders has a store in his home.
func TestStoreOf(t *testing.T) {
	none, some := filepath.Join(t.TempDir(), "none"), t.TempDir()
	environ := []string{"HOME=/home/u"}
	cases := map[string]struct {
		uid     int
		state   string
		environ []string
		want    StoreAddress
	}{
		"root":            {0, none, environ, StoreAddress{}},
		"a user":          {1000, none, environ, inFolder("/home/u/.local/share/nix/root")},
		"another folder":  {1000, none, []string{"HOME=/home/u", "XDG_DATA_HOME=/d"}, inFolder("/d/nix/root")},
		"Nix's own word":  {1000, none, []string{"HOME=/home/u", "XDG_DATA_HOME=/d", "NIX_DATA_HOME=/n"}, inFolder("/n/root")},
		"Nix has folders": {1000, some, environ, StoreAddress{}},
		"no home":         {1000, none, nil, StoreAddress{}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := storeOf(c.uid, c.state, c.environ); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestExplainRemote(t *testing.T) {
	a := StoreAddress{Remote: "ssh-ng://me@build?compress=true"}
	cases := map[string]struct{ line, want string }{
		"unknown key":    {"Host key verification failed.", "accept it once: ssh me@build"},
		"no key of ours": {"me@build: Permission denied (publickey).", "has to work without a question"},
		"off":            {"ssh: connect to host build port 22: No route to host", "Check that the machine is on"},
		"no Nix":         {"bash: line 1: nix-daemon: command not found", "There is no Nix"},
		"unsigned":       {"error: cannot add path '/nix/store/x' because it lacks a valid signature", "secret-key-files"},
		"unsigned, new":  {"error: cannot add path '/nix/store/x' because it lacks a signature by a trusted key", "trusted-users"},
		"no daemon":      {"error: cannot connect to socket at '/nix/var/nix/daemon-socket/socket': Connection refused", "does not run"},
		"anything":       {"error: cannot open connection to remote store 'ssh-ng://me@build': error: unexpected end-of-file", "nix-daemon --version"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := a.explain(&CommandError{Command: "nix", Err: os.ErrInvalid, Stderr: []string{"warning: x", c.line}})
			if got := err.Error(); !strings.Contains(got, c.want) || !strings.HasPrefix(got, "the store ssh-ng://me@build?compress=true cannot be used") {
				t.Errorf("got %s, want %q", got, c.want)
			}
		})
	}
}
