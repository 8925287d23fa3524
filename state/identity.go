package state

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// NewUUID draws a random UUID (version 4): a lineage's or a deployment's.
func NewUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

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
