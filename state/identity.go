package state

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"

	"github.com/google/uuid"
)

// NewUUID draws a random UUID (version 4): a lineage's or a deployment's.
func NewUUID() string { return uuid.NewString() }

// NewAttempt draws the mark of one try to create one object: sixteen
// hexadecimal digits, of which names outside may carry the first few.
func NewAttempt() string { return randomHex(8) }

func newToken() string { return randomHex(32) }

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// ownerOf returns what the state holds of the owner's token. It is bound to
// lineage and workspace, so that one token (NXC_OWNER_TOKEN) can serve several
// without linking them.
func ownerOf(token, lineage, workspace string) string {
	sum := sha256.Sum256([]byte("nxc owner\n" + lineage + "\n" + workspace + "\n" + token))
	return "sha256:" + hex.EncodeToString(sum[:])
}
