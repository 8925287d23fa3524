package share

import (
	"encoding/binary"
	"errors"
	"net"
	"sync"
)

// Access lists are a protocol of their own beside NFS, on the same connection.
// A client's overlay reads nothing from a server that does not speak it, so it
// is answered here, before the library sees it: no file has a list.
const accessLists, getAccessList = 100227, 1

// filtered is a connection without the calls about access lists.
type filtered struct {
	net.Conn
	coming []byte // a call that the library has not read yet

	mu      sync.Mutex
	head    []byte // of the reply that is being written, its length so far
	left    uint32 // bytes that are to come of it
	waiting []byte // replies of ours that come after it
}

// Read reads calls for the library.
func (f *filtered) Read(p []byte) (int, error) {
	for len(f.coming) == 0 {
		call, err := readCall(f.Conn)
		if err != nil {
			return 0, err
		}
		if call.program() != accessLists {
			f.coming = append(binary.BigEndian.AppendUint32(nil, uint32(len(call))|lastFragment), call...) //nolint:gosec // it is bounded
			continue
		}
		if err := f.reply(call, answerLists(call)); err != nil {
			return 0, err
		}
	}
	n := copy(p, f.coming)
	f.coming = f.coming[n:]
	return n, nil
}

// answerLists says that a file has no access list.
func answerLists(c call) []uint32 {
	switch c.procedure() {
	case 0: // whether anybody is there
		return []uint32{0}
	case getAccessList:
	default:
		return []uint32{procedureUnknown}
	}
	mask := c.word(len(c)/4 - 1)
	// Understood, done, without attributes; then two empty lists, for the file and
	// for what is made in it, each with its length twice.
	return []uint32{0, 0, 0, mask, 0, 0, 0, 0}
}

// Write writes what the library replies, and what waits for its end.
func (f *filtered) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.Conn.Write(p)
	f.follow(p[:n])
	return n, errors.Join(err, f.flush())
}

// follow notes where replies end.
func (f *filtered) follow(p []byte) {
	for len(p) > 0 {
		if f.left > 0 {
			n := min(int(f.left), len(p))
			f.left -= uint32(n) //nolint:gosec // it is no more than left
			p = p[n:]
			continue
		}
		n := min(4-len(f.head), len(p))
		f.head, p = append(f.head, p[:n]...), p[n:]
		if len(f.head) == 4 {
			f.left, f.head = binary.BigEndian.Uint32(f.head)&^lastFragment, nil
		}
	}
}

// reply writes a reply of ours, at once or between two of the library's.
func (f *filtered) reply(c call, words []uint32) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting = append(f.waiting, encode(c, words)...)
	return f.flush()
}

func (f *filtered) flush() error {
	if f.left > 0 || len(f.head) > 0 || len(f.waiting) == 0 {
		return nil
	}
	_, err := f.Conn.Write(f.waiting)
	f.waiting = nil
	return err
}
