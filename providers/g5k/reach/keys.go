package reach

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// usualKeys are the files of ~/.ssh that ssh itself tries.
var usualKeys = []string{"id_ed25519", "id_ecdsa", "id_rsa"}

// keys are the user's own: those of files, and those of the agent.
type keys struct {
	o Options

	mu    sync.Mutex
	files []ssh.Signer
	names []string
	agent net.Conn
	read  bool
}

// auth is how the user says who it is. Keys of the agent are asked for anew at
// every connection, as it may lock itself meanwhile.
func (k *keys) auth() ([]ssh.AuthMethod, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.read {
		if err := k.find(); err != nil {
			return nil, err
		}
		k.read = true
	}
	if len(k.files) == 0 && k.agent == nil {
		return nil, sdk.Error("There is no ssh key for Grid'5000",
			fmt.Sprintf("nxc looked for an agent (SSH_AUTH_SOCK) and for %s in %s. Name a key as ssh_key, or start an agent that has it.",
				strings.Join(usualKeys, ", "), filepath.Join(k.o.Home, ".ssh")))
	}
	return []ssh.AuthMethod{ssh.PublicKeysCallback(k.signers)}, nil
}

// find reads the files and connects to the agent.
func (k *keys) find() error {
	if socket := k.o.Getenv("SSH_AUTH_SOCK"); socket != "" {
		if conn, err := net.Dial("unix", socket); err == nil { // an agent that is gone is none
			k.agent = conn
		}
	}
	files := []string{k.o.Key}
	if k.o.Key == "" {
		files = nil
		for _, name := range usualKeys {
			files = append(files, filepath.Join(k.o.Home, ".ssh", name))
		}
	}
	for _, file := range files {
		if rest, ok := strings.CutPrefix(file, "~/"); ok {
			file = filepath.Join(k.o.Home, rest)
		}
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) && k.o.Key == "" {
			continue
		}
		if err != nil {
			return sdk.AttributeError("ssh_key", "The ssh key cannot be read", err.Error()+".")
		}
		key, err := ssh.ParsePrivateKey(text)
		var locked *ssh.PassphraseMissingError
		switch {
		case errors.As(err, &locked) && k.agent != nil: // the agent has it, or the user hears of it there
			k.names = append(k.names, file+" (locked by a passphrase)")
			continue
		case errors.As(err, &locked) && k.o.Key == "":
			k.names = append(k.names, file+" (locked by a passphrase)")
			continue
		case errors.As(err, &locked):
			return sdk.AttributeError("ssh_key", "The ssh key is locked by a passphrase", fmt.Sprintf("Give it to an agent: ssh-add %s.", file))
		case err != nil:
			return sdk.AttributeError("ssh_key", "The ssh key cannot be read", fmt.Sprintf("%s: %v.", file, err))
		}
		k.files, k.names = append(k.files, key), append(k.names, file)
	}
	return nil
}

// signers are the keys, the agent's first, as ssh offers them.
func (k *keys) signers() ([]ssh.Signer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []ssh.Signer
	if k.agent != nil {
		if held, err := agent.NewClient(k.agent).Signers(); err == nil {
			all = append(all, held...)
		}
	}
	return append(all, k.files...), nil
}

// offered names the keys for a message.
func (k *keys) offered() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	names := k.names
	if k.agent != nil {
		names = append([]string{"those of the agent"}, names...)
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func (k *keys) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.agent != nil {
		k.agent.Close()
	}
	k.agent, k.files, k.names, k.read = nil, nil, nil, false
}
