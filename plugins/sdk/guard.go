package sdk

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"

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
	err := f()
	return origin(err, diagnose(err), typ, verb)
}

// origin says where an error without a remedy comes from: one of a library's, such
// as "json: cannot unmarshal …", tells nobody which provider failed at what.
func origin(err error, d plugins.Diagnostics, typ, verb string) plugins.Diagnostics {
	if _, told := err.(plugins.Diagnostics); told {
		return d
	}
	who := typ
	if !strings.HasPrefix(typ, "provider ") {
		name, _, ok := strings.Cut(typ, "_")
		if !ok { // a flavour: its block is shown
			return d
		}
		who, verb = "provider "+name, verb+" of "+typ
	}
	for i := range d {
		if d[i].Severity == plugins.Error && d[i].Detail == "" {
			d[i].Detail = fmt.Sprintf("%s failed with this in %s.", upperFirst(who), verb)
		}
	}
	return d
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
