package command

import (
	"context"
	"path"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/driver"
	"github.com/nixos-compose/nxc/plugins"
)

// testNode gives a script the hands of a deployed node.
type testNode struct {
	project *deploy.Project
	node    *deploy.RunningNode
}

var _ driver.Node = testNode{}

func (t testNode) Name() string { return t.node.Name }

func (t testNode) Offers(h plugins.Hand) bool { return t.node.Offers(h) }

func (t testNode) Exec(ctx context.Context, p plugins.Process) (int, error) {
	status, diags := t.project.Exec(ctx, t.node, p)
	return status, told(diags)
}

// Put makes the folder that the copy goes into, as a script expects.
func (t testNode) Put(ctx context.Context, source, target string) error {
	if folder := path.Dir(path.Clean(target)); folder != "/" && folder != "." {
		if _, err := t.Exec(ctx, plugins.Process{Command: []string{"mkdir", "-p", folder}}); err != nil {
			return err
		}
	}
	return told(t.project.Transfer(ctx, deploy.Place{Path: source}, deploy.Place{Node: t.node, Path: target}))
}

func (t testNode) Get(ctx context.Context, source, target string) error {
	return told(t.project.Transfer(ctx, deploy.Place{Node: t.node, Path: source}, deploy.Place{Path: target}))
}

func (t testNode) Power(ctx context.Context, a plugins.PowerAction) error {
	return told(t.project.Power(ctx, t.node, a, func(plugins.Progress) {}))
}

func (t testNode) Console(ctx context.Context, c plugins.Console) error {
	return told(t.project.Console(ctx, t.node, c))
}

func (t testNode) Link(ctx context.Context, l plugins.Link) error {
	return told(t.project.Link(ctx, t.node, l))
}

func (t testNode) Monitor(ctx context.Context, command string) (string, error) {
	answer, diags := t.project.Monitor(ctx, t.node, command)
	return answer, told(diags)
}

// toldError is what diagnostics say, in the words of an exception.
type toldError struct{ diags hcl.Diagnostics }

func (e toldError) Error() string {
	d := e.diags.Errs()[0].(*hcl.Diagnostic) //nolint:errorlint // Errs yields nothing else
	if d.Detail == "" {
		return d.Summary
	}
	return d.Summary + ". " + d.Detail
}

func told(diags hcl.Diagnostics) error {
	if !diags.HasErrors() {
		return nil
	}
	return toldError{diags}
}
