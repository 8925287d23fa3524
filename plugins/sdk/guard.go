package sdk

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/nixos-compose/nxc/plugins"
)

// guard calls a verb. A panic in it becomes a diagnostic, with the stack in
// the log: one mistake must not take down the operations beside it.
func guard(typ, verb string, f func() error) (d plugins.Diagnostics) {
	defer func() {
		if p := recover(); p != nil {
			slog.Error("panic in the provider", "type", typ, "verb", verb, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			d = plugins.NewError(fmt.Sprintf("The provider failed in %s of %s: %v", verb, typ, p),
				"This is a mistake in the provider; please report it. NXC_LOG=debug shows where it happened.")
		}
	}()
	return diagnose(f())
}

// goneError is what Gone returns.
type goneError struct{ reason string }

func (e goneError) Error() string { return e.reason }

// Gone is returned by Read, with exists false, to say in a few words what
// became of an object: "walltime reached". The user reads it in the plan.
func Gone(reason string) error { return goneError{reason} }

// gone returns the reason of a Gone, and the error without it.
func gone(err error) (reason string, rest error) {
	var g goneError
	if errors.As(err, &g) {
		return g.reason, nil
	}
	return "", err
}
