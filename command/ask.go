package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/nixos-compose/nxc/config"
)

// asker asks for the values of variables that have none. What is sensitive is
// not shown while it is typed.
func asker(ctx context.Context, env *Env) func(*config.Variable) (string, bool) {
	first := true
	return func(v *config.Variable) (string, bool) {
		if first {
			first = false
			fmt.Fprintln(env.Stderr)
		}
		about := ""
		if v.Description != "" {
			about = "  " + strings.TrimSpace(v.Description)
		}
		fmt.Fprintf(env.Stderr, "var.%s (%s)%s\n  Value: ", v.Name, v.TypeText(), about)
		text, ok := typed(ctx, env, v.Sensitive)
		if !ok || v.Sensitive {
			fmt.Fprintln(env.Stderr) // the line that was not shown, or not ended
		}
		return text, ok
	}
}

// typed reads a line from the terminal. Ctrl-C and Ctrl-D give none.
func typed(ctx context.Context, env *Env, hidden bool) (string, bool) {
	in, isFile := env.Stdin.(*os.File)
	hidden = hidden && isFile
	var fd int
	var was *term.State
	if hidden {
		fd = int(in.Fd())
		was, _ = term.GetState(fd)
	}
	type reply struct {
		text string
		err  error
	}
	answer := make(chan reply, 1)
	go func() {
		if hidden {
			text, err := term.ReadPassword(fd)
			answer <- reply{string(text), err}
			return
		}
		text, err := readLine(env.Stdin)
		answer <- reply{text, err}
	}()
	select {
	case r := <-answer:
		return r.text, r.err == nil
	case <-ctx.Done():
		if was != nil { // the reader goes on to wait, and would leave it mute
			_ = term.Restore(fd, was)
		}
		return "", false
	}
}

// readLine reads up to the end of a line and not a byte more: what follows is
// for whoever reads next.
func readLine(r io.Reader) (string, error) {
	var line []byte
	for b := make([]byte, 1); ; {
		n, err := r.Read(b)
		switch {
		case n > 0 && b[0] == '\n':
			return strings.TrimSuffix(string(line), "\r"), nil
		case n > 0:
			line = append(line, b[0])
		case err != nil:
			return string(line), err
		}
	}
}
