package nix

import (
	"cmp"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// StoreAddress says where Nix builds and keeps what it builds.
type StoreAddress struct {
	// Remote is the store of another machine, ssh-ng://…, where derivations are
	// realised. What is needed of it is copied into this machine's store.
	Remote string

	// Root is the folder below which this machine's /nix/store lies, when that is
	// not the root of the file system: Nix's "chroot store".
	Root string

	setting string // Nix's own word for this machine's store; "" is the user's
}

// storeSetting is Nix's setting that is an address.
const storeSetting = "store"

// ParseStoreAddress reads Nix's setting "store", in the forms that nxc can
// work with. A folder may begin with "~/", which is home.
func ParseStoreAddress(text, home string) (StoreAddress, error) {
	switch scheme, rest, _ := strings.Cut(text, "://"); scheme {
	case "ssh-ng", "ssh":
		return parseRemote(scheme, rest)
	case "auto", "daemon", "local", "unix":
		if strings.Contains(rest, "?") {
			return StoreAddress{}, fmt.Errorf("%q has parameters of a daemon's store, which nxc does not know how to follow; a store in a folder is local?root=FOLDER", text)
		}
		if scheme != "local" || rest == "" {
			return StoreAddress{setting: text}, nil
		}
		return parseRoot(text, rest, home)
	}
	if query, ok := strings.CutPrefix(text, "local?"); ok {
		values, err := url.ParseQuery(query)
		if err != nil || len(values) != 1 || values.Get("root") == "" {
			return StoreAddress{}, fmt.Errorf("%q is not local?root=FOLDER; other parameters would have store paths that are no /nix/store/…", text)
		}
		return parseRoot(text, values.Get("root"), home)
	}
	if !strings.Contains(text, "://") && strings.Contains(text, "/") {
		return parseRoot(text, text, home)
	}
	return StoreAddress{}, fmt.Errorf(`%q is no store that nxc can use; it is auto, daemon, local, unix://SOCKET, the folder of a store of yours such as "~/.local/share/nix/root", or another machine's, such as "ssh-ng://build.example.org"`, text)
}

// parseRemote takes another machine. Nix cannot build in what it calls ssh://,
// which speaks to the same machine with fewer words.
func parseRemote(scheme, rest string) (StoreAddress, error) {
	host, query, _ := strings.Cut(rest, "?")
	values, err := url.ParseQuery(query)
	switch {
	case host == "" || strings.ContainsAny(host, " \t/") || strings.HasPrefix(host, "-"):
		return StoreAddress{}, fmt.Errorf(`%q names no machine; write "ssh-ng://build.example.org" or "ssh-ng://user@build.example.org"`, scheme+"://"+rest)
	case err != nil || strings.ContainsAny(query, " \t"):
		return StoreAddress{}, fmt.Errorf(`%q has parameters that are none; they are written as in "ssh-ng://build.example.org?ssh-key=/path&compress=true"`, scheme+"://"+rest)
	case scheme == "ssh" && values.Has("remote-program"):
		return StoreAddress{}, fmt.Errorf("%q names a remote-program for ssh://, in which Nix cannot build. Write ssh-ng://, whose remote-program is a nix-daemon", scheme+"://"+rest)
	}
	return StoreAddress{Remote: "ssh-ng://" + rest}, nil
}

func parseRoot(text, folder, home string) (StoreAddress, error) {
	if rest, ok := strings.CutPrefix(folder, "~/"); ok && home != "" {
		folder = filepath.Join(home, rest)
	}
	if !filepath.IsAbs(folder) {
		return StoreAddress{}, fmt.Errorf("%q is a store in a folder that is not absolute; write it from / or from ~/ on", text)
	}
	if strings.ContainsAny(folder, "?&# \t") {
		return StoreAddress{}, fmt.Errorf("%q is a store in a folder whose name Nix cannot be given in an address", text)
	}
	folder = filepath.Clean(folder)
	if folder == "/" {
		return StoreAddress{setting: "local"}, nil
	}
	return inFolder(folder), nil
}

func inFolder(folder string) StoreAddress {
	return StoreAddress{Root: folder, setting: "local?root=" + folder}
}

// findStore says which store counts: the project's word, the user's, or what
// Nix's "auto" finds. Where the project names another machine's, this machine's
// is still the user's.
func findStore(project []Setting, user settings, environ []string) (StoreAddress, error) {
	home := getenv(environ, "HOME")
	remote, text := "", ""
	for _, s := range project {
		if s.Name == storeSetting {
			text = s.Value
		}
	}
	if text != "" {
		a, err := ParseStoreAddress(text, home)
		switch {
		case err != nil:
			return a, fmt.Errorf("the store of this project: %w", err)
		case a.Remote == "" && a.setting != "auto":
			return a, nil
		case a.Remote == "":
			a = autoStore(environ)
			a.setting = cmp.Or(a.setting, "auto")
			return a, nil
		}
		remote = a.Remote
	}
	from := "nix.conf's store"
	text = user[storeSetting]
	if text == "" {
		text, from = getenv(environ, "NIX_REMOTE"), "NIX_REMOTE"
	}
	if text == "" || text == "auto" {
		a := autoStore(environ)
		a.Remote = remote
		return a, nil
	}
	a, err := ParseStoreAddress(text, "") // Nix itself knows no ~
	switch {
	case err != nil:
		return a, fmt.Errorf("%s: %w", from, err)
	case a.Remote != "":
		return a, fmt.Errorf("%s is %s, another machine's store, and nodes get their systems from this one's. Take it away, and to have that machine build write nxc { build { store = %q } } into the project", from, text, a.Remote)
	}
	if a.Root == "" {
		a.setting = "" // Nix has it already
	}
	a.Remote = remote
	return a, nil
}

// autoStore follows Nix's own rule: a user of a machine without Nix's folders
// and without a daemon has a store in his home.
func autoStore(environ []string) StoreAddress {
	for _, name := range []string{"NIX_STORE_DIR", "NIX_STATE_DIR"} {
		if getenv(environ, name) != "" {
			return StoreAddress{}
		}
	}
	return storeOf(os.Geteuid(), "/nix/var/nix", environ)
}

func storeOf(uid int, state string, environ []string) StoreAddress {
	_, err := os.Stat(state)
	if uid == 0 || !os.IsNotExist(err) || unix.Access(state+"/daemon-socket/socket", unix.F_OK) == nil {
		return StoreAddress{}
	}
	data := getenv(environ, "NIX_DATA_HOME") // of newer versions
	if data == "" {
		data = getenv(environ, "XDG_DATA_HOME")
		if !filepath.IsAbs(data) {
			data = filepath.Join(getenv(environ, "HOME"), ".local/share")
		}
		data = filepath.Join(data, "nix")
	}
	folder := filepath.Join(data, "root")
	if !filepath.IsAbs(folder) {
		return StoreAddress{}
	}
	return inFolder(folder)
}

// StoreRoot is the folder below which this machine's /nix/store lies for a
// project with these settings, "" when that is the root of the file system. It
// starts no process, and needs no Nix; what is wrong in the settings is for New
// to say.
func StoreRoot(project []Setting) string {
	environ := os.Environ()
	a, err := findStore(project, readSettings(environ), environ)
	if err != nil {
		return ""
	}
	return a.Root
}

// physical is where a path of the store lies on this machine.
func (n *Nix) physical(path string) string {
	if isWithin(path, storeDir) {
		return n.where.Root + path
	}
	return path
}
