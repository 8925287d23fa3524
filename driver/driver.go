// Package driver runs test scripts: Python in the language of NixOS tests, that
// drives the nodes of a deployment.
//
// The user's own python3 runs the script, with the driver that is embedded
// here (folder python). It speaks to this package over a socket, a JSON object
// a line: what the script wants done to a node is done here, through the
// node's hands, with as many calls at one time as the script has threads. What
// happens is told as events.
//
// The package knows nothing of deployments, providers' processes or terminals:
// a Node is given to it, and what it tells is shown by others.
package driver

import (
	"context"
	"time"

	"github.com/nixos-compose/nxc/plugins"
)

// Node is a node of the test, with its hands.
type Node interface {
	Name() string
	Offers(plugins.Hand) bool
	// Exec runs a program and returns its exit status.
	Exec(ctx context.Context, p plugins.Process) (int, error)
	// Put copies a file or folder of this machine to the node, Get back.
	Put(ctx context.Context, source, target string) error
	Get(ctx context.Context, source, target string) error
	Power(ctx context.Context, a plugins.PowerAction) error
	Console(ctx context.Context, c plugins.Console) error
	Link(ctx context.Context, l plugins.Link) error
	// Monitor tells what runs the node a command in its own words.
	Monitor(ctx context.Context, command string) (string, error)
}

// Script is a test.
type Script struct {
	Text string `json:"text"`
	// File is the file that the script is shown as, and Lines, for each line
	// of Text, the line there; nil: they are the same.
	File  string `json:"file"`
	Lines []int  `json:"lines,omitempty"`
}

// Options of a run.
type Options struct {
	Python    Python
	Dir       string   // the script's working directory
	Environ   []string // the script's environment
	Flavour   string   // names the deployment in messages
	Nodes     []Node   // in the order in which the script sees them
	Script    Script
	Results   string        // an existing folder for logs and what the script keeps
	Timeout   time.Duration // of the whole script; 0: none
	WaitLimit time.Duration // of each wait; 0: what the script says
	Grace     time.Duration // to clean up after being told to stop; 0: five seconds
	Events    func(Event)   // called by one at a time

	Relay    func(port int) []string // a program that connects its input and output with a port of its node
	Interact func(ctx context.Context, n Node, what string) error
	RunFirst bool   // an interactive session begins with the script
	History  string // file of an interactive session's history
}

// Event is something that happened in a test.
type Event struct {
	Kind    string  `json:"kind,omitempty"` // "begin" and "end" of a step, "line", "output", "console"
	ID      int     `json:"id,omitempty"`
	Parent  int     `json:"parent,omitempty"` // step that it is part of
	What    string  `json:"what,omitempty"`   // "subtest" or "step"
	Node    string  `json:"node,omitempty"`
	Level   string  `json:"level,omitempty"` // of a line: "debug", "info", "warning", "error"
	Text    string  `json:"text,omitempty"`
	Elapsed float64 `json:"elapsed,omitempty"` // seconds
	Failed  bool    `json:"failed,omitempty"`
	Error   string  `json:"error,omitempty"`
}

// Kinds of failure.
const (
	Failed      = "failed"      // the script's wish was not met
	Machine     = "machine"     // a node was not reached, or cannot do what it was told
	Broken      = "error"       // the script's own Python
	TimedOut    = "timeout"     // the time for the whole script is over
	Interrupted = "interrupted" // Ctrl-C
)

// Failure is why a script did not pass, and where.
type Failure struct {
	Kind    string   `json:"kind"`
	Type    string   `json:"type"` // the exception's
	Message string   `json:"message"`
	Steps   []string `json:"steps"`  // from the outermost to the one that failed
	Frames  []Frame  `json:"frames"` // of the user's own code, outermost first
}

// Frame is a line of the user's that was being executed.
type Frame struct {
	File     string `json:"file"`
	Line     int    `json:"line"`
	Function string `json:"function"`
	Text     string `json:"text"`
}

// Result is how a run ended.
type Result struct {
	Failure *Failure // nil: it passed
	Elapsed time.Duration
	Kept    []string // files that tell what the nodes looked like when it failed
}

// Problem is something wrong with a script, found before it ran.
type Problem struct {
	Summary string `json:"summary"`
	Detail  string `json:"detail"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
}
