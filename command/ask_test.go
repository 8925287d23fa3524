package command

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"
	"golang.org/x/sys/unix"

	"github.com/nixos-compose/nxc/config"
)

// TestAskHidden types a secret on a terminal, which does not show it, and is as
// it was afterwards, also when nobody answers.
func TestAskHidden(t *testing.T) {
	for name, answers := range map[string]bool{"answered": true, "interrupted": false} {
		t.Run(name, func(t *testing.T) {
			person, terminal := openTerminal(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var said bytes.Buffer
			done := make(chan string, 1)
			go func() {
				text, _ := asker(ctx, &Env{Stdin: terminal, Stderr: &said})(&config.Variable{Name: "password", Type: cty.String, Sensitive: true})
				done <- text
			}()
			await(t, "the terminal to be mute", func() bool { return !echoes(t, terminal) })
			want := ""
			if answers {
				if _, err := person.WriteString("hunter2\n"); err != nil {
					t.Fatal(err)
				}
				want = "hunter2"
			} else {
				cancel()
			}
			if got := <-done; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if !echoes(t, terminal) {
				t.Error("the terminal is left mute")
			}
			if !strings.Contains(said.String(), "var.password") {
				t.Errorf("it asked %q", said.String())
			}
			if !answers { // whoever still reads is to end before the terminal does
				_, _ = person.WriteString("\n")
			}
			_ = person.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			shown := make([]byte, 100)
			n, _ := person.Read(shown)
			if bytes.Contains(shown[:n], []byte("hunter")) {
				t.Errorf("the terminal shows %q", shown[:n])
			}
		})
	}
}

// TestReadLine leaves what follows a line to whoever reads next.
func TestReadLine(t *testing.T) {
	r := strings.NewReader("one\r\ntwo\nthree")
	for _, want := range []string{"one", "two", "three"} {
		if got, _ := readLine(r); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// openTerminal returns both ends of a new pseudo-terminal.
func openTerminal(t *testing.T) (person, terminal *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	person = os.NewFile(uintptr(fd), "ptmx")
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return person, terminal
}

func echoes(t *testing.T, terminal *os.File) bool {
	t.Helper()
	now, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return now.Lflag&unix.ECHO != 0
}

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 2000 {
		if is() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("waited ten seconds for %s", what)
}
