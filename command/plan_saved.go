package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/deploy/planfile"
	"github.com/nixos-compose/nxc/internal/atomicfile"
)

// savePlan writes a plan to a file. One that is there is replaced when it is a
// saved plan, and nothing else is: a slip of the name must not cost a
// configuration.
func (p opened) savePlan(path string, planned *deploy.Planned, o deploy.PlanOptions) int {
	if old, err := os.ReadFile(path); err == nil && len(old) > 0 {
		if _, err := planfile.Decode(old); errors.Is(err, planfile.ErrNoPlan) {
			return p.fail("The plan was not saved", fmt.Errorf("the file %s is there, and is no saved plan: give another name", path))
		}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return p.fail("The plan was not saved", err)
	}
	file, diags := p.Save(planned, o)
	if diags.HasErrors() {
		p.view.Diagnostics(diags)
		return exitError
	}
	data, err := file.Encode()
	if err == nil {
		err = atomicfile.Write(path, data, 0o600)
	}
	if err != nil {
		return p.fail("The plan was not saved", err)
	}
	p.view.Note(fmt.Sprintf("Saved in %s. To carry out exactly this: nxc apply %s", path, path))
	return exitOK
}

// readPlan reads a saved plan.
func readPlan(path string) (*planfile.File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	file, err := planfile.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return file, nil
}

// takeSaved reads the saved plan that an apply is given, if it is given one,
// and refuses flags that would say something else than the plan does.
func (f *applyFlags) takeSaved(env *Env, args []string, replace bool) (status int, bad bool) {
	if len(args) != 1 {
		return noArguments(env, "apply", args)
	}
	if len(f.flavours) > 0 || replace {
		fmt.Fprintf(env.Stderr, "nxc apply: a saved plan knows its flavours and replacements: leave -flavour and -replace out, or plan again\n")
		return exitError, true
	}
	saved, err := readPlan(args[0])
	if err != nil {
		printError(env, "apply", err)
		return exitError, true
	}
	f.saved = saved
	return exitOK, false
}

// planOr plans what a saved plan asks for, or what the options do.
func (p opened) planOr(ctx context.Context, saved *planfile.File, o deploy.PlanOptions) (*deploy.Planned, hcl.Diagnostics) {
	if saved != nil {
		return p.PlanSaved(ctx)
	}
	return p.Plan(ctx, o)
}

// showPlan shows a saved plan as plan showed it. It needs no configuration and
// no state.
func showPlan(env *Env, path string, json, verbose bool) int {
	file, err := readPlan(path)
	if err != nil {
		printError(env, "show", err)
		return exitError
	}
	planned, err := deploy.Shown(file)
	if err != nil {
		printError(env, "show", fmt.Errorf("%s: %w", path, err))
		return exitError
	}
	f := projectFlags{json: json, verbose: verbose}
	v := f.view(env, func() map[string]*hcl.File { return nil })
	defer v.Flush()
	v.Plan(planned)
	return exitOK
}
