package reach

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// unknownKey is the key of a machine that is in no file.
type unknownKey struct{ fingerprint string }

func (e *unknownKey) Error() string { return "its host key " + e.fingerprint + " is not known" }

// changedKey is the key of a machine that has another one in a file.
type changedKey struct{ fingerprint, file string }

func (e *changedKey) Error() string {
	return "its host key " + e.fingerprint + " differs from the one in " + e.file
}

// hostKeys are files of known hosts.
type hostKeys struct {
	check ssh.HostKeyCallback // nil: there is no file
	files []string
}

func (n *Network) knownHosts() string {
	file := n.o.KnownHosts
	if rest, ok := strings.CutPrefix(file, "~/"); ok {
		file = filepath.Join(n.o.Home, rest)
	}
	if file == "" {
		file = filepath.Join(n.o.Home, ".ssh", "known_hosts")
	}
	return file
}

// strictly are the user's files alone.
func (n *Network) strictly() (hostKeys, error) { return readHostKeys(n.knownHosts()) }

func readHostKeys(files ...string) (hostKeys, error) {
	files = slices.DeleteFunc(files, func(file string) bool {
		_, err := os.Stat(file)
		return file == "" || err != nil
	})
	if len(files) == 0 {
		return hostKeys{}, nil
	}
	check, err := knownhosts.New(files...)
	if err != nil {
		return hostKeys{}, sdk.AttributeError("known_hosts", "The file of known hosts cannot be read", err.Error()+".")
	}
	return hostKeys{check, files}, nil
}

// callback accepts the key that a file has under one of the names.
func (k hostKeys) callback(names ...string) ssh.HostKeyCallback {
	return func(_ string, remote net.Addr, key ssh.PublicKey) error {
		found := &unknownKey{ssh.FingerprintSHA256(key)}
		for _, name := range names {
			err := k.lookup(name, remote, key)
			var other *knownhosts.KeyError
			switch {
			case err == nil:
				return nil
			case errors.As(err, &other) && len(other.Want) > 0:
				return &changedKey{found.fingerprint, other.Want[0].Filename}
			case !errors.As(err, &other):
				return err // revoked, for instance
			}
		}
		return found
	}
}

func (k hostKeys) lookup(name string, remote net.Addr, key ssh.PublicKey) error {
	if k.check == nil {
		return &knownhosts.KeyError{}
	}
	if _, _, err := net.SplitHostPort(name); err != nil {
		name = net.JoinHostPort(name, "22")
	}
	return k.check(name, remote, key)
}

// algorithms are those of the keys that a file has under the names, so that
// the machine answers with one of them; nil when there are none.
func (k hostKeys) algorithms(names ...string) []string {
	var all []string
	for _, name := range names {
		// Asking for a key that nobody has tells which there are.
		var other *knownhosts.KeyError
		if errors.As(k.lookup(name, &net.TCPAddr{}, nobody{}), &other) {
			for _, want := range other.Want {
				all = append(all, algorithmsOf(want.Key.Type())...)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// algorithmsOf are those by which a type of key signs.
func algorithmsOf(typ string) []string {
	if typ == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	}
	return []string{typ}
}

// nobody is a key that no machine has.
type nobody struct{}

func (nobody) Type() string                        { return "none" }
func (nobody) Marshal() []byte                     { return []byte("none") }
func (nobody) Verify([]byte, *ssh.Signature) error { return errors.New("nobody signs") }

// pin remembers a key under a name, in our own file.
func pin(file, name string, key ssh.PublicKey) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, knownhosts.Line([]string{name}, key))
	return errors.Join(err, f.Close())
}
