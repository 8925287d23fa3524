package simulator

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/pem"
	"slices"

	"golang.org/x/crypto/ssh"
)

// firstKey is a machine's key before anything is deployed: the same for the
// same platform, so that it can be known.
func (s *Simulator) firstKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256(append(slices.Clone(s.seed[:]), name...))
	return ed25519.NewKeyFromSeed(seed[:])
}

// hostKey is firstKey for a server of this process.
func (s *Simulator) hostKey(name string) (ssh.Signer, error) {
	return ssh.NewSignerFromSigner(s.firstKey(name))
}

// hostPrivateKey is firstKey as a file for OpenSSH.
func (s *Simulator) hostPrivateKey(name string) ([]byte, error) {
	return privateKeyFile(s.firstKey(name))
}

// newHostKey is a key that no machine had before.
func newHostKey() (ssh.Signer, error) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	return ssh.NewSignerFromSigner(key)
}

// newPrivateKey is such a key as a file for OpenSSH.
func newPrivateKey() ([]byte, error) {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	return privateKeyFile(key)
}

func privateKeyFile(key ed25519.PrivateKey) ([]byte, error) {
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(block), nil
}
