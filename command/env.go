package command

import (
	"io"
	"os"

	"github.com/agext/levenshtein"
	"golang.org/x/term"

	"github.com/nixos-compose/nxc/state"
)

// Env is what a command sees of the process that runs it.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Environ        []string
	Terminal       bool // stdout is a terminal
	Interactive    bool // stdin is a terminal: questions can be asked
	Width          int  // of the terminal; 0: not known
	NoColor        bool
	Executable     func() (string, error)
	Disk           state.Disk // what the state is written through; nil: the real one
}

// System returns the environment of this process.
func System() *Env {
	out := int(os.Stdout.Fd())
	e := &Env{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Getenv: os.Getenv, Environ: os.Environ(),
		Terminal:    term.IsTerminal(out),
		Interactive: term.IsTerminal(int(os.Stdin.Fd())),
		Executable:  os.Executable,
	}
	if w, _, err := term.GetSize(out); err == nil {
		e.Width = w
	}
	e.NoColor = !e.Terminal || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb"
	return e
}

func editDistance(a, b string) int { return levenshtein.Distance(a, b, nil) }
