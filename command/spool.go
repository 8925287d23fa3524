package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// spool lets many read one input, each from its beginning and at its own pace:
// a node that starts late or reads slowly delays no other. What was read lies
// in a file without a name.
type spool struct {
	from  io.Reader
	file  *os.File
	start sync.Once

	mu    sync.Mutex
	grown *sync.Cond
	size  int64
	err   error // why there is no more; io.EOF at the end
}

func newSpool(from io.Reader) (*spool, error) {
	f, err := os.CreateTemp("", "nxc-stdin-*")
	if err != nil {
		return nil, fmt.Errorf("keep the input: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("keep the input: %w", err), f.Close())
	}
	s := &spool{from: from, file: f}
	s.grown = sync.NewCond(&s.mu)
	return s, nil
}

// fill copies the input until it ends.
func (s *spool) fill() {
	buffer := make([]byte, 64<<10)
	for {
		n, err := s.from.Read(buffer)
		if n > 0 {
			if _, writeErr := s.file.Write(buffer[:n]); writeErr != nil {
				n, err = 0, fmt.Errorf("keep the input: %w", writeErr)
			}
		}
		s.mu.Lock()
		s.size += int64(n)
		if s.err == nil {
			s.err = err
		}
		ended := s.err != nil
		s.mu.Unlock()
		s.grown.Broadcast()
		if ended {
			return
		}
	}
}

// reader returns the input from its beginning.
func (s *spool) reader() io.Reader {
	s.start.Do(func() { go s.fill() })
	return &spoolReader{s: s}
}

// close ends all readers.
func (s *spool) close() {
	s.mu.Lock()
	if s.err == nil {
		s.err = os.ErrClosed
	}
	s.mu.Unlock()
	s.grown.Broadcast()
	_ = s.file.Close()
}

type spoolReader struct {
	s  *spool
	at int64
}

// Read waits until there is more, or the input has ended.
func (r *spoolReader) Read(p []byte) (int, error) {
	r.s.mu.Lock()
	for r.at == r.s.size && r.s.err == nil {
		r.s.grown.Wait()
	}
	left, err := r.s.size-r.at, r.s.err
	r.s.mu.Unlock()
	if left == 0 {
		return 0, err
	}
	n, err := r.s.file.ReadAt(p[:min(int64(len(p)), left)], r.at)
	r.at += int64(n)
	return n, err
}
