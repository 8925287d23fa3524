// Package view shows people and programs what nxc does: as text, or as JSON
// lines in the form of Terraform's machine-readable UI.
//
// It formats; it decides nothing. It and the commands are the only places
// that know of a terminal.
package view

import (
	"io"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/driver"
)

// View shows a command's work. Methods may be called concurrently.
type View interface {
	deploy.Events

	// Diagnostics shows errors and warnings with the lines they are about.
	Diagnostics(diags hcl.Diagnostics)
	// Plan shows what would change.
	Plan(p *deploy.Planned)
	// Applied shows what was done, and the outputs.
	Applied(a *deploy.Applied)
	// Built shows what was built, or, dry, what would be.
	Built(list []deploy.Built, dry bool)
	// TestBegan says that a script begins to run, and where its logs are.
	TestBegan(r TestRun, folder string)
	// TestEvent shows what a script does.
	TestEvent(r TestRun, e driver.Event)
	// TestEnded says how a script ended; result is nil when it could not be run.
	TestEnded(r TestRun, result *driver.Result)
	// Tests shows how several runs ended.
	Tests(list []TestOutcome)
	// Note says one line for people; programs do not see it.
	Note(text string)
	// Flush ends progress lines that are still open.
	Flush()
}

// Options of a view.
type Options struct {
	Out, Err io.Writer
	Color    bool
	Terminal bool // progress may rewrite its line
	Width    int  // 0: not known
	Verbose  bool // attributes, not only nodes and systems
	Version  string
	// Files gives sources for diagnostics.
	Files func() map[string]*hcl.File
}
