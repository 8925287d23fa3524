package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// shelf holds the items of a relay: files of a folder, each of which grows
// until it is whole. What is there when it opens was left by an earlier relay,
// and is taken for right until the whole is found to be wrong.
type shelf struct {
	dir   string
	items map[string]*held
	names []string

	mu      sync.Mutex
	changed chan struct{} // closed, and made anew, when something grew
	taken   int64
	sent    int64
}

// held is an item on the shelf.
type held struct {
	Item
	file  *os.File
	have  int64
	right bool // its SHA-256 was found to be right
}

// errWrong says that a whole file is not the one that was wanted.
var errWrong = errors.New("it has another SHA-256 than it should")

// errGap says that bytes do not follow those that are there.
var errGap = errors.New("bytes are missing before these")

func openShelf(dir string, items []Item) (*shelf, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s := &shelf{dir: dir, items: map[string]*held{}, changed: make(chan struct{})}
	for _, item := range items {
		f, err := os.OpenFile(filepath.Join(dir, item.Name), os.O_RDWR|os.O_CREATE, 0o600)
		if errors.Is(err, syscall.ETXTBSY) { // the relay's own program, which it passes on as well
			f, err = os.Open(filepath.Join(dir, item.Name))
		}
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		h := &held{Item: item, file: f}
		s.items[item.Name], s.names = h, append(s.names, item.Name)
		info, err := f.Stat()
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		// What is behind the item was put there to boot with it.
		if h.have = info.Size(); h.have > item.Size {
			h.have = item.Size
			if err := f.Truncate(item.Size); err != nil {
				return nil, errors.Join(err, s.close())
			}
		}
	}
	return s, nil
}

func (s *shelf) close() error {
	var err error
	for _, name := range s.names {
		err = errors.Join(err, s.items[name].file.Close())
	}
	return err
}

// state returns how much of an item there is, whether it is right, and what
// closes at the next change.
func (s *shelf) state(h *held) (have int64, right bool, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return h.have, h.right, s.changed
}

// add takes bytes of an item that begin at an offset. Several may add to one
// item: what is there already is passed over.
func (s *shelf) add(h *held, at int64, p []byte) error {
	if at+int64(len(p)) > h.Size {
		return fmt.Errorf("more of %s than there is", h.Name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken += int64(len(p))
	if at > h.have {
		return errGap
	}
	p = p[min(h.have-at, int64(len(p))):]
	if len(p) == 0 {
		return nil
	}
	if _, err := h.file.WriteAt(p, h.have); err != nil {
		return err
	}
	h.have += int64(len(p))
	s.wake()
	return nil
}

// wake tells those who wait. The lock is held.
func (s *shelf) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// verify checks a whole item. A wrong one is emptied.
func (s *shelf) verify(h *held) error {
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(h.file, 0, h.Size)); err != nil {
		return err
	}
	right := hex.EncodeToString(sum.Sum(nil)) == h.SHA256
	var err error
	if !right {
		err = errors.Join(errWrong, h.file.Truncate(0))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.right = right; !right {
		h.have = 0
	}
	s.wake()
	return err
}

// report is how far the shelf is.
func (s *shelf) report() report {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := report{Have: map[string]int64{}, Done: true, Sent: s.sent, Taken: s.taken}
	for _, name := range s.names {
		h := s.items[name]
		r.Have[name] = h.have
		r.Done = r.Done && h.right
	}
	return r
}
