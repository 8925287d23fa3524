package state

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// Secret is a value that was left out of the state. Its fingerprint tells its
// owner, and nobody else, whether a value is the same as the one left out.
type Secret struct {
	Path        cty.Path
	Fingerprint string // "" when it was left out by somebody without a token
}

const fingerprintPrefix = "hmac-sha256:"

// Sealer makes fingerprints of secrets. They are keyed with the owner's token,
// which is not in the state, so that who reads the state cannot try out
// passwords against them. A nil Sealer makes none.
type Sealer struct{ key []byte }

func newSealer(token string) *Sealer {
	if token == "" {
		return nil
	}
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write([]byte("nxc: fingerprints of what the state leaves out"))
	return &Sealer{key: mac.Sum(nil)}
}

// fingerprint marks a value by what it belongs to (an attempt), where it
// stands in it, and what it is.
func (s *Sealer) fingerprint(of string, p cty.Path, v cty.Value) (string, error) {
	if s == nil {
		return "", nil
	}
	raw, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return "", fmt.Errorf("cannot take the fingerprint of a secret: %w", err)
	}
	path, err := appendPath(nil, p)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, s.key)
	fmt.Fprintf(mac, "%d %s %d %s %s", len(of), of, len(path), path, raw)
	return fingerprintPrefix + hex.EncodeToString(mac.Sum(nil)[:16]), nil
}

type fingerprinter func(cty.Path, cty.Value) (string, error)

// withhold replaces the values at the paths by null and says which it did. A
// path that leads nowhere, or to null, is passed over. A path into a set
// leaves out the set: its elements have no names.
func withhold(v cty.Value, paths []cty.Path, mark fingerprinter) (cty.Value, []Secret, error) {
	if len(paths) == 0 {
		return v, nil, nil
	}
	paths = outermost(nameable(v.Type(), paths))
	var secrets []Secret
	v, err := cty.Transform(v, func(p cty.Path, e cty.Value) (cty.Value, error) {
		if e.IsNull() || len(p) == 0 || !slices.ContainsFunc(paths, p.Equals) {
			return e, nil
		}
		fingerprint, err := mark(p, e)
		if err != nil {
			return e, err
		}
		secrets = append(secrets, Secret{Path: p.Copy(), Fingerprint: fingerprint})
		return cty.NullVal(e.Type()), nil
	})
	if err != nil {
		return cty.NilVal, nil, err
	}
	if err := sortSecrets(secrets); err != nil {
		return cty.NilVal, nil, err
	}
	return v, secrets, nil
}

// nameable cuts paths that lead into a set off before it.
func nameable(t cty.Type, paths []cty.Path) []cty.Path {
	out := make([]cty.Path, len(paths))
	for n, p := range paths {
		out[n] = p
		at := cty.UnknownVal(t)
		for i, step := range p {
			if at.Type().IsSetType() {
				out[n] = p[:i]
				break
			}
			next, err := step.Apply(at)
			if err != nil {
				break // it leads nowhere
			}
			at = next
		}
	}
	return out
}

// outermost returns the paths that lie below no other.
func outermost(paths []cty.Path) []cty.Path {
	var out []cty.Path
	for _, p := range paths {
		inside := slices.ContainsFunc(paths, func(o cty.Path) bool { return len(o) < len(p) && p.HasPrefix(o) })
		if !inside {
			out = append(out, p)
		}
	}
	return out
}

// sortSecrets orders secrets by the spelling of their paths.
func sortSecrets(secrets []Secret) error {
	var failed error
	slices.SortFunc(secrets, func(a, b Secret) int {
		x, err := appendPath(nil, a.Path)
		failed = cmp.Or(failed, err)
		y, err := appendPath(nil, b.Path)
		failed = cmp.Or(failed, err)
		return bytes.Compare(x, y)
	})
	return failed
}

// restore fills the gaps of v that secrets left from want.
func restore(v, want cty.Value, secrets []Secret, mark fingerprinter) cty.Value {
	if len(secrets) == 0 || v.IsNull() || !v.IsKnown() {
		return v
	}
	filled, err := cty.Transform(v, func(p cty.Path, e cty.Value) (cty.Value, error) {
		if e.IsMarked() || !e.IsNull() {
			return e, nil
		}
		i := slices.IndexFunc(secrets, func(s Secret) bool { return p.Equals(s.Path) })
		if i < 0 {
			return e, nil
		}
		w, err := p.Apply(want)
		if err != nil {
			return e, nil // there is no such place any more: it did change
		}
		plain, _ := w.UnmarkDeep()
		if !plain.IsWhollyKnown() || !plain.Type().Equals(e.Type()) {
			return e, nil
		}
		if got, err := mark(p, plain); err == nil && got != "" && secrets[i].Fingerprint != "" && got != secrets[i].Fingerprint {
			return e, nil
		}
		return w, nil
	})
	if err != nil {
		return v
	}
	return filled
}

var errPath = errors.New("a path has a step that cannot be written")

// appendPath writes a path as a JSON array: an attribute as a string, an index
// as a number, a map's key as {"key":"…"}.
func appendPath(dst []byte, p cty.Path) ([]byte, error) {
	dst = append(dst, '[')
	for i, step := range p {
		if i > 0 {
			dst = append(dst, ',')
		}
		switch step := step.(type) {
		case cty.GetAttrStep:
			dst = appendString(dst, step.Name)
		case cty.IndexStep:
			switch {
			case step.Key.Type() == cty.Number && step.Key.IsKnown() && !step.Key.IsNull():
				dst = append(dst, step.Key.AsBigFloat().Text('f', 0)...)
			case step.Key.Type() == cty.String && step.Key.IsKnown() && !step.Key.IsNull():
				dst = append(dst, `{"key":`...)
				dst = appendString(dst, step.Key.AsString())
				dst = append(dst, '}')
			default:
				return nil, errPath
			}
		default:
			return nil, errPath
		}
	}
	return append(dst, ']'), nil
}
