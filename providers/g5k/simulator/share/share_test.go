package share

import (
	"encoding/binary"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	nfsc "github.com/willscott/go-nfs-client/nfs"
	"github.com/willscott/go-nfs-client/nfs/rpc"
)

// serve serves a folder at this machine's own address, and returns where.
func serve(t *testing.T, s *Server, how func(net.Listener) error) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() { _ = how(l) })
	t.Cleanup(func() {
		_ = l.Close()
		_ = s.Close()
		done.Wait()
	})
	return l.Addr().String()
}

// folder makes a folder with some files.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, mode := range map[string]fs.FileMode{"store/tool/run": 0o555, "store/secret": 0o600} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat("content ", 10_000)), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/nix/store/elsewhere", filepath.Join(dir, "store", "link")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestShare(t *testing.T) {
	dir := folder(t)
	s := &Server{UID: 12, GID: 34, Open: func(client net.IP, name string) (*os.Root, error) {
		if !client.IsLoopback() || name == "/private" {
			return nil, fs.ErrPermission
		}
		return os.OpenRoot(filepath.Join(dir, name))
	}}
	at := serve(t, s, func(l net.Listener) error { return s.Serve(t.Context(), l) })
	c, err := rpc.DialTCP("tcp", at, false)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m := nfsc.Mount{Client: c}
	for _, name := range []string{"/private", "/none"} {
		if _, err := m.Mount(name, rpc.AuthNull); err == nil {
			t.Errorf("%s can be mounted", name)
		}
	}
	target, err := m.Mount("/store", rpc.AuthNull)
	if err != nil {
		t.Fatal(err)
	}
	f, err := target.Open("/tool/run")
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(f); err != nil || string(text) != strings.Repeat("content ", 10_000) {
		t.Errorf("read %d bytes, %v", len(text), err)
	}
	if attr, err := target.Getattr("/tool/run"); err != nil || attr.UID != 12 || attr.GID != 34 || attr.Mode().Perm() != 0o555 {
		t.Errorf("it is %+v, %v", attr, err)
	}
	entries, err := target.ReadDirPlus("/")
	var names []string
	for _, e := range entries {
		names = append(names, e.FileName)
	}
	slices.Sort(names)
	if want := []string{"link", "secret", "tool"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("it holds %v, %v; want %v", names, err, want)
	}
	if link, err := target.Open("/link"); err != nil {
		t.Error(err)
	} else if to, err := link.Readlink(); err != nil || to != "/nix/store/elsewhere" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	// What others may not read nobody may, and nothing is written.
	if f, err := target.Open("/secret"); err == nil {
		if text, err := io.ReadAll(f); err == nil {
			t.Errorf("a private file says %d bytes", len(text))
		}
	}
	if _, err := target.Create("/new", 0o644); err == nil {
		t.Error("a file can be made")
	}
	if err := target.Remove("/tool/run"); err == nil {
		t.Error("a file can be removed")
	}
}

// ask sends a call of a procedure, and returns the reply in words, from the
// first that says how it went.
func ask(t *testing.T, c net.Conn, program, version, procedure uint32, arguments ...uint32) []uint32 {
	t.Helper()
	words := append([]uint32{77, 0, 2, program, version, procedure, 0, 0, 0, 0}, arguments...)
	text := binary.BigEndian.AppendUint32(nil, uint32(4*len(words))|lastFragment)
	for _, w := range words {
		text = binary.BigEndian.AppendUint32(text, w)
	}
	if _, err := c.Write(text); err != nil {
		t.Fatal(err)
	}
	var length uint32
	if err := binary.Read(c, binary.BigEndian, &length); err != nil {
		t.Fatal(err)
	}
	reply := make([]uint32, length&^lastFragment/4)
	if err := binary.Read(c, binary.BigEndian, reply); err != nil {
		t.Fatal(err)
	}
	if len(reply) < 6 || reply[0] != 77 || reply[1] != rpcReply {
		t.Fatalf("the reply is %v", reply)
	}
	return reply[5:]
}

func dial(t *testing.T, at string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestPorts(t *testing.T) {
	s := &Server{}
	c := dial(t, serve(t, s, s.ServePorts))
	for name, one := range map[string]struct {
		program, version, procedure uint32
		want                        []uint32
	}{
		"NFS's port":      {ports, portsVersion, getPort, []uint32{0, Port}},
		"is it there":     {ports, portsVersion, 0, []uint32{0}},
		"a newer version": {ports, 4, 9, []uint32{versionUnknown, portsVersion, portsVersion}},
		"something else":  {100001, 1, 0, []uint32{programUnknown}},
	} {
		if got := ask(t, c, one.program, one.version, one.procedure, 100003, 3, 6, 0); !slices.Equal(got, one.want) {
			t.Errorf("%s: the answer is %v, want %v", name, got, one.want)
		}
	}
}

// TestAccessLists: an overlay asks for lists, and for files, on one connection.
func TestAccessLists(t *testing.T) {
	dir := folder(t)
	s := &Server{Open: func(net.IP, string) (*os.Root, error) { return os.OpenRoot(dir) }}
	c := dial(t, serve(t, s, func(l net.Listener) error { return s.Serve(t.Context(), l) }))
	for range 3 {
		if got := ask(t, c, accessLists, 3, getAccessList, 8, 0, 1, 3); !slices.Equal(got, []uint32{0, 0, 0, 3, 0, 0, 0, 0}) {
			t.Errorf("the lists are %v", got)
		}
		if got := ask(t, c, accessLists, 3, 0); !slices.Equal(got, []uint32{0}) {
			t.Errorf("nobody is there: %v", got)
		}
		if got := ask(t, c, 100003, 3, 0); !slices.Equal(got, []uint32{0}) {
			t.Errorf("NFS says %v", got)
		}
	}
}
