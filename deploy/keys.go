package deploy

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/internal/atomicfile"
	"github.com/nixos-compose/nxc/plugins"
)

// keyring holds a deployment's keys: its own key pair, by which the user
// reaches the nodes, and a host key for each node. They are made on the
// user's machine, in a folder that only the user may read, and never enter
// the Nix store or the state.
type keyring struct {
	folder string
	public string // the deployment's public key, one authorized_keys line
	seed   []byte // boot tokens are derived from it
}

// openKeyring reads the deployment's keys, and makes them the first time.
func openKeyring(folder string) (*keyring, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("create the folder of the deployment's keys: %w", err)
	}
	public, err := keyPair(filepath.Join(folder, "id_ed25519"), "nxc")
	if err != nil {
		return nil, err
	}
	seed, err := readOrMake(filepath.Join(folder, "token_seed"), func() ([]byte, error) {
		b := make([]byte, 32)
		_, err := rand.Read(b)
		return b, err
	})
	if err != nil {
		return nil, err
	}
	return &keyring{folder: folder, public: public, seed: seed}, nil
}

// private returns the files that reach a node only through its provider: its
// host key, and the token that tells this boot's attempt from any other.
func (k *keyring) private(node, attempt string) ([]plugins.ContextFile, error) {
	name := hostKeyFile(k.folder, node)
	public, err := keyPair(name, node)
	if err != nil {
		return nil, err
	}
	key, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the host key of %s: %w", node, err)
	}
	return []plugins.ContextFile{
		{Path: "/etc/nxc/private/boot_token", Mode: 0o600, Private: true, Content: []byte(k.token(node, attempt) + "\n")},
		{Path: "/etc/nxc/private/ssh_host_ed25519_key", Mode: 0o600, Private: true, Content: key},
		{Path: "/etc/nxc/private/ssh_host_ed25519_key.pub", Mode: 0o600, Private: true, Content: []byte(public + "\n")},
	}, nil
}

// hostKeyFile is where the host key of a node lies.
func hostKeyFile(folder, node string) string {
	return filepath.Join(folder, "host_"+hex.EncodeToString([]byte(node)))
}

// token is the boot token of one attempt at a node.
func (k *keyring) token(node, attempt string) string {
	m := hmac.New(sha256.New, k.seed)
	m.Write([]byte(node + "\x00" + attempt))
	return hex.EncodeToString(m.Sum(nil)[:16])
}

// keyPair returns the public half of the key at path as an authorized_keys
// line, making the pair when it is not there.
func keyPair(path, comment string) (string, error) {
	private, err := readOrMake(path, func() ([]byte, error) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		block, err := ssh.MarshalPrivateKey(key, comment)
		if err != nil {
			return nil, err
		}
		return pem.EncodeToMemory(block), nil
	})
	if err != nil {
		return "", err
	}
	signer, err := ssh.ParsePrivateKey(private)
	if err != nil {
		return "", fmt.Errorf("read key %s: %w", path, err)
	}
	line := strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(signer.PublicKey())), "\n")
	return line + " " + comment, nil
}

func readOrMake(path string, makeContent func() ([]byte, error)) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err == nil {
		return b, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read key: %w", err)
	}
	b, err = makeContent()
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	if err := atomicfile.Write(path, b, 0o600); err != nil {
		return nil, fmt.Errorf("write key: %w", err)
	}
	return b, nil
}

// readKeyring reads the deployment's keys without making any; nil when they
// are not there.
func readKeyring(folder string) (*keyring, error) {
	if _, err := os.Stat(filepath.Join(folder, "token_seed")); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return openKeyring(folder)
}
