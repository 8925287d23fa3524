package nixostest

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nixos-compose/nxc/plugins"
)

// driverPackage is a driver whose session is a shell's: what is tested is who
// holds it.
func driverPackage(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\n( setsid sleep 1000 & )\necho the session begins\nexec sh -i\n"
	if err := os.WriteFile(filepath.Join(folder, "bin", "nixos-test-driver"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

// sitting is somebody who is attached.
type sitting struct {
	keyboard *io.PipeWriter
	mu       sync.Mutex
	screen   bytes.Buffer
	left     chan error
}

func (s *sitting) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.screen.Write(b)
}

func (s *sitting) sees(text string) bool {
	for range 200 {
		s.mu.Lock()
		seen := strings.Contains(s.screen.String(), text)
		s.mu.Unlock()
		if seen {
			return true
		}
		select {
		case err := <-s.left: // refused, or left
			s.left <- err
			return false
		case <-time.After(50 * time.Millisecond):
		}
	}
	return false
}

func sit(ctx context.Context, d drivers, have *Driver) *sitting {
	keyboard, typed := io.Pipe()
	s := &sitting{keyboard: typed, left: make(chan error, 1)}
	go func() {
		_, err := d.Exec(ctx, operation("a"), have, plugins.Process{Stdin: keyboard, Stdout: s, TTY: &plugins.WindowSize{Columns: 111, Rows: 33}})
		s.left <- err
	}()
	return s
}

// TestSession follows a driver through its life: it is attached to, left and
// taken up again, by one at a time; it is started anew when it was killed; and
// nothing of it stays.
func TestSession(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	d, op := drivers{h}, operation("a")
	have := Driver{Driver: driverPackage(t)}
	if err := d.Create(t.Context(), op, &have); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Delete(context.Background(), op, &have) })

	first := sit(t.Context(), d, &have)
	if !first.sees("the session begins") {
		t.Fatal("who attaches does not see what was said before")
	}
	io.WriteString(first.keyboard, "marker=kept; stty size; echo typed-$((40+2))\n")
	if !first.sees("typed-42") || !first.sees("33 111") {
		t.Errorf("the screen: %q", first.screen.String())
	}
	second := <-sit(t.Context(), d, &have).left
	if second == nil || !strings.Contains(second.Error(), "Somebody sits at this session") {
		t.Errorf("a second client hears %v", second)
	}
	first.keyboard.Write([]byte{detachKey})
	if err := <-first.left; err != nil {
		t.Errorf("leaving: %v", err)
	}
	third := sit(t.Context(), d, &have)
	for tries := 0; !third.sees("typed-42"); tries++ { // the holder may not have noticed yet
		if tries > 50 {
			t.Fatalf("the session cannot be taken up again: %q", third.screen.String())
		}
		third = sit(t.Context(), d, &have)
	}
	io.WriteString(third.keyboard, "echo again-$marker\n")
	if !third.sees("again-kept") {
		t.Errorf("the session did not go on: %q", third.screen.String())
	}
	third.keyboard.Write([]byte{detachKey})
	<-third.left

	for _, pid := range holders(have.ID) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	if exists, err := d.Read(t.Context(), op, &have); err != nil || !exists || have.Running {
		t.Errorf("after a kill: exists %v, running %v, %v", exists, have.Running, err)
	}
	want := have
	want.Running = true
	if err := d.Update(t.Context(), op, have, &want); err != nil {
		t.Fatal(err)
	}
	if len(holders(have.ID)) != 1 {
		t.Errorf("holders after the second start: %v", holders(have.ID))
	}
	if err := d.Delete(t.Context(), op, &have); err != nil {
		t.Fatal(err)
	}
	if err := d.Delete(t.Context(), op, &have); err != nil {
		t.Errorf("deleting again: %v", err)
	}
	if left := append(holders(have.ID), marked(have.ID)...); len(left) > 0 {
		t.Errorf("processes %v stay", left)
	}
	if entries, _ := os.ReadDir(h.folders.State); len(entries) > 0 {
		t.Errorf("files stay: %v", entries)
	}
}
