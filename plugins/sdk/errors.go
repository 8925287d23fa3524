package sdk

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
)

// AttributeError returns an error about one attribute, which the user sees at
// its place in the configuration. path is written as in a reference:
// "image", "port[0].host", `labels["tier"]`. Several errors are joined with
// errors.Join.
func AttributeError(path, summary, detail string) error {
	p, err := parsePath(path)
	if err != nil {
		p = nil // the message matters more than its place
	}
	return plugins.AtPath(p, summary, detail)
}

// Error returns an error with a terse summary and sentences that say the remedy.
func Error(summary, detail string) error { return plugins.NewError(summary, detail) }

// Warn returns something to tell the user that is not a failure: a verb that
// returns nothing but warnings succeeded.
func Warn(summary, detail string) error {
	return plugins.Diagnostics{{Severity: plugins.Warning, Summary: summary, Detail: detail}}
}

// diagnose turns an error of a handler into diagnostics.
func diagnose(err error) plugins.Diagnostics {
	if err == nil {
		return nil
	}
	switch e := err.(type) {
	case plugins.Diagnostics:
		return e
	case interface{ Unwrap() []error }:
		if d, ok := diagnoseJoined(err, e.Unwrap()); ok {
			return d
		}
	}
	var inner plugins.Diagnostics
	if errors.As(err, &inner) {
		return withPrefix(err, inner)
	}
	var pe cty.PathError
	if errors.As(err, &pe) {
		return plugins.AtPath(pe.Path, upperFirst(pe.Error()), "")
	}
	if errors.Is(err, context.Canceled) {
		return plugins.NewError("Interrupted", err.Error())
	}
	summary, detail, _ := strings.Cut(strings.TrimSpace(err.Error()), "\n")
	return plugins.NewError(summary, strings.TrimSpace(detail))
}

// diagnoseJoined handles what errors.Join made: each part stands for itself.
func diagnoseJoined(err error, parts []error) (plugins.Diagnostics, bool) {
	texts := make([]string, len(parts))
	for i, part := range parts {
		texts[i] = part.Error()
	}
	if err.Error() != strings.Join(texts, "\n") {
		return nil, false // fmt.Errorf with several %w: one sentence
	}
	var all plugins.Diagnostics
	for _, part := range parts {
		all = append(all, diagnose(part)...)
	}
	return all, true
}

// withPrefix keeps what fmt.Errorf("starting it: %w", d) put before d.
func withPrefix(err error, d plugins.Diagnostics) plugins.Diagnostics {
	prefix, ok := strings.CutSuffix(err.Error(), d.Error())
	if !ok || prefix == "" {
		return d
	}
	prefixed := make(plugins.Diagnostics, len(d))
	for i := range d {
		prefixed[i] = d[i]
		if d[i].Severity == plugins.Error {
			prefixed[i].Summary = prefix + d[i].Summary
		}
	}
	return prefixed
}

// parsePath reads a path as it is written in a reference.
func parsePath(text string) (cty.Path, error) {
	var path cty.Path
	for rest := text; rest != ""; {
		if rest[0] == '[' {
			index, after, ok := strings.Cut(rest[1:], "]")
			if !ok {
				return nil, fmt.Errorf("path %q: a bracket is not closed", text)
			}
			step, err := indexStep(index)
			if err != nil {
				return nil, fmt.Errorf("path %q: %w", text, err)
			}
			path, rest = append(path, step), after
			continue
		}
		rest = strings.TrimPrefix(rest, ".")
		end := strings.IndexAny(rest, ".[")
		if end < 0 {
			end = len(rest)
		}
		if end == 0 {
			return nil, fmt.Errorf("path %q: a name is missing", text)
		}
		path, rest = append(path, cty.GetAttrStep{Name: rest[:end]}), rest[end:]
	}
	return path, nil
}

func indexStep(text string) (cty.PathStep, error) {
	if key, ok := strings.CutPrefix(text, `"`); ok && strings.HasSuffix(key, `"`) {
		return cty.IndexStep{Key: cty.StringVal(strings.TrimSuffix(key, `"`))}, nil
	}
	n, err := cty.ParseNumberVal(text)
	if err != nil {
		return nil, fmt.Errorf("%q is neither a number nor a quoted key", text)
	}
	return cty.IndexStep{Key: n}, nil
}

func replaceAttribute(name, reason string) plugins.Replace {
	return plugins.Replace{Path: cty.GetAttrPath(name), Reason: reason}
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
