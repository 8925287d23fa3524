package nixostest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/record"
)

// Run is one run of a test.
type Run struct {
	Derivation string   `nxc:"derivation,required,replace" doc:"The test's derivation."`
	Result     string   `nxc:"result,required,replace" doc:"The store path that holds what the test left, once it has passed."`
	Timeout    string   `nxc:"timeout" doc:"How long the test may take."`
	Local      bool     `nxc:"local" doc:"Whether no binary cache is asked for the result."`
	Features   []string `nxc:"features" doc:"What the machine that runs it must have, such as kvm."`
	Verdict    string   `nxc:"verdict,computed" doc:"What is known of the test: \"passed\"."`
	Log        string   `nxc:"log,computed" doc:"File with what the run said, below the folder that nxc keeps for the provider outside the project."`
	ID         string   `nxc:"id,computed" doc:"Another one for each run."`
}

const (
	kindRun = "run"
	passed  = "passed"
	logFile = "log"
	linkOut = "result" // keeps the result from the garbage collector
)

// runs has the verbs of nixos-test_run.
type runs struct{ *host }

var (
	_ sdk.Handler[Run] = runs{}
	_ sdk.Updater[Run] = runs{}
	_ sdk.Planner[Run] = runs{}
)

// isThere reports whether a file exists.
func isThere(path string) bool {
	_, err := os.Stat(path)
	return path != "" && err == nil
}

// Plan says what is known before the run: the same test has passed.
func (r runs) Plan(ctx context.Context, _ sdk.Operation, prior *Run, p *sdk.Planned[Run]) error {
	if p.Unknown("result") || !r.isValid(ctx, p.Value.Result) || prior != nil && prior.Result == p.Value.Result {
		return nil
	}
	p.Value.Verdict = passed
	p.SetKnown("verdict")
	return sdk.Warn("The test has passed already",
		"Nix has its result, from the very same script and systems: "+p.Value.Result+". Nothing is run again; to have it run, remove the result with nix-store --delete.")
}

// Create runs the test by having Nix build it. Where the result is there
// already, that takes no time.
func (r runs) Create(ctx context.Context, op sdk.Operation, want *Run) error {
	if want.Timeout != "" {
		limit, err := time.ParseDuration(want.Timeout)
		if err != nil {
			return sdk.AttributeError("timeout", "Not a time", err.Error()+".")
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, errTooLong)
		defer cancel()
	}
	if !r.isValid(ctx, want.Result) {
		if err := checkFeatures(want.Features); err != nil {
			return err
		}
	}
	id := record.ID(op)
	dir := r.folderOf(kindRun, id)
	object := *want
	object.ID, object.Log, object.Verdict = id, filepath.Join(filepath.Base(dir), logFile), passed
	if err := record.Begin(op, dir, object); err != nil {
		return err
	}
	if r.isValid(ctx, want.Result) {
		op.Report(noted("The test has passed before, with these very inputs: it is not run again."))
	}
	if err := r.realise(ctx, op, &object, dir); err != nil {
		return errors.Join(r.explain(ctx, err, object, op), record.Remove(dir))
	}
	if err := record.Finish(dir, object); err != nil {
		return err
	}
	*want = object
	return nil
}

// Update changes what decides nothing of the result.
func (r runs) Update(_ context.Context, _ sdk.Operation, have Run, want *Run) error {
	want.ID, want.Log, want.Verdict = have.ID, have.Log, have.Verdict
	return record.Finish(r.folderOf(kindRun, have.ID), *want)
}

// Read reports whether the result is still there.
func (r runs) Read(ctx context.Context, op sdk.Operation, have *Run) (bool, error) {
	dir := r.folderOf(kindRun, have.ID)
	kept, err := record.Read[Run](dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if op.UUID != "" && kept.UUID != op.UUID {
		return false, fmt.Errorf("%s belongs to another deployment (%s)", dir, kept.UUID)
	}
	return r.isValid(ctx, have.Result), nil
}

// Delete forgets the run. Nix may then collect its result, and keeps it until
// somebody has it do so.
func (r runs) Delete(_ context.Context, _ sdk.Operation, have *Run) error {
	return record.Remove(r.folderOf(kindRun, have.ID))
}

func (r runs) Find(_ context.Context, op sdk.Operation) ([]sdk.Found[Run], error) {
	return record.Find[Run](r.folders.State, kindRun+"-", op.UUID)
}
