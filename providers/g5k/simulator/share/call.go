package share

import (
	"encoding/binary"
	"errors"
	"io"
)

// call is a call of a remote procedure, as RFC 5531 has it, without the length
// before it.
type call []byte

// longestCall bounds what a client that only reads has to say.
const longestCall = 64 << 10

// Numbers of that protocol.
const (
	lastFragment = 1 << 31
	rpcReply     = 1

	programUnknown, versionUnknown, procedureUnknown = 1, 2, 3
)

func (c call) word(i int) uint32 { return binary.BigEndian.Uint32(c[4*i:]) }

func (c call) program() uint32   { return c.word(3) }
func (c call) version() uint32   { return c.word(4) }
func (c call) procedure() uint32 { return c.word(5) }

// readCall reads one call, of one fragment, as clients send short ones.
func readCall(in io.Reader) (call, error) {
	var length [4]byte
	if _, err := io.ReadFull(in, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n&lastFragment == 0 || n&^lastFragment < 24 || n&^lastFragment > longestCall {
		return nil, errors.New("no call of a client that reads is so long, or comes in fragments")
	}
	c := make(call, n&^lastFragment)
	if _, err := io.ReadFull(in, c); err != nil {
		return nil, err
	}
	if c.word(1) != 0 {
		return nil, errors.New("it is no call")
	}
	return c, nil
}

// encode writes the reply to a call: whether it was understood, and what
// follows, in words.
func encode(c call, words []uint32) []byte {
	all := append([]uint32{c.word(0), rpcReply, 0, 0, 0}, words...)             // accepted, and nobody says who
	text := binary.BigEndian.AppendUint32(nil, uint32(4*len(all))|lastFragment) //nolint:gosec // it is short
	for _, w := range all {
		text = binary.BigEndian.AppendUint32(text, w)
	}
	return text
}
