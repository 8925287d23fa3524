// Package share serves folders of this machine by NFS, version 3, to be read.
//
// It is what machines of the simulator mount homes from, over a network that is
// in this process: it needs neither a kernel's server nor root. It writes
// nothing, knows no locks, and asks its caller who may mount what. As servers of
// homes do, it takes root for nobody: what others may not read, no one may.
package share

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"net"
	"os"
	"path"
	"strings"
	"sync"

	"github.com/go-git/go-billy/v5"
	"github.com/willscott/go-nfs"
)

// Port is where the server listens.
const Port = 2049

// Server serves folders. Its fields are set before it is used.
type Server struct {
	// Open finds the folder that a client wants to mount. Its error says no:
	// fs.ErrNotExist that there is none, any other that it may not.
	Open func(client net.IP, folder string) (*os.Root, error)
	// UID and GID are whose all files are.
	UID, GID uint32

	mu    sync.Mutex
	roots map[string]*tree // by where they lie
	files []file           // by their handle's number, from 1
	known map[file]uint64
	conns map[net.Conn]bool
}

// file is one that a client has a handle of.
type file struct {
	tree *tree
	name string
}

// Serve answers the clients of a listener until that is closed.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	server := &nfs.Server{Handler: &handler{s}, Context: ctx}
	nfs.Log.SetLevel(nfs.PanicLevel) // a name that is not there is no news
	return server.Serve(&filtering{watched{l, s}})
}

// Close ends all connections and closes the folders.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close()
	}
	var errs []error
	for _, t := range s.roots {
		errs = append(errs, t.root.Close())
	}
	s.roots = nil
	return errors.Join(errs...)
}

// watched is a listener whose connections end with the server.
type watched struct {
	net.Listener
	server *Server
}

func (w *watched) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	if w.server.conns == nil {
		w.server.conns = map[net.Conn]bool{}
	}
	w.server.conns[c] = true
	return c, nil
}

// filtering is one whose connections answer some calls by themselves.
type filtering struct{ watched }

func (l *filtering) Accept() (net.Conn, error) {
	c, err := l.watched.Accept()
	if err != nil {
		return nil, err
	}
	return &filtered{Conn: c}, nil
}

// handler is the server as the library wants it.
type handler struct{ s *Server }

var _ nfs.Handler = (*handler)(nil)

// Mount gives a client the folder that it asks for.
func (h *handler) Mount(_ context.Context, c net.Conn, r nfs.MountRequest) (nfs.MountStatus, billy.Filesystem, []nfs.AuthFlavor) {
	address, _, err := net.SplitHostPort(c.RemoteAddr().String())
	if err != nil {
		return nfs.MountStatusErrServerFault, &tree{}, nil
	}
	t, err := h.s.open(net.ParseIP(address), path.Clean("/"+string(r.Dirpath)))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nfs.MountStatusErrNoEnt, &tree{}, nil
	case err != nil:
		return nfs.MountStatusErrAcces, &tree{}, nil
	}
	return nfs.MountStatusOk, t, []nfs.AuthFlavor{nfs.AuthFlavorUnix, nfs.AuthFlavorNull}
}

// open returns the folder, the same for all who mount it.
func (s *Server) open(client net.IP, folder string) (*tree, error) {
	root, err := s.Open(client, folder)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.roots[root.Name()]; t != nil {
		return t, root.Close()
	}
	if s.roots == nil {
		s.roots = map[string]*tree{}
	}
	t := &tree{server: s, root: root}
	s.roots[root.Name()] = t
	return t, nil
}

// Change says that nothing can be changed.
func (h *handler) Change(billy.Filesystem) billy.Change { return nil }

// FSStat tells of the room that there is: none that anybody could use.
func (h *handler) FSStat(context.Context, billy.Filesystem, *nfs.FSStat) error { return nil }

// ToHandle numbers a file. A number is never another file's.
func (h *handler) ToHandle(f billy.Filesystem, name []string) []byte {
	t, _ := f.(*tree)
	key := file{t, strings.Join(name, "/")}
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	n, ok := h.s.known[key]
	if !ok {
		if h.s.known == nil {
			h.s.known = map[file]uint64{}
		}
		h.s.files = append(h.s.files, key)
		n = uint64(len(h.s.files))
		h.s.known[key] = n
	}
	return binary.BigEndian.AppendUint64(nil, n)
}

// FromHandle finds the file of a number.
func (h *handler) FromHandle(handle []byte) (billy.Filesystem, []string, error) {
	h.s.mu.Lock()
	defer h.s.mu.Unlock()
	if len(handle) == 8 {
		if n := binary.BigEndian.Uint64(handle); n > 0 && n <= uint64(len(h.s.files)) {
			f := h.s.files[n-1]
			if f.name == "" {
				return f.tree, nil, nil
			}
			return f.tree, strings.Split(f.name, "/"), nil
		}
	}
	return nil, nil, &nfs.NFSStatusError{NFSStatus: nfs.NFSStatusStale, WrappedErr: fs.ErrNotExist}
}

// InvalidateHandle forgets nothing: names are few, and nothing is renamed here.
func (h *handler) InvalidateHandle(billy.Filesystem, []byte) error { return nil }

// HandleLimit is how many files a folder may have that is listed at once.
func (h *handler) HandleLimit() int { return 1 << 20 }
