package command

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/state"
)

func stateVerifyCommand(env *Env) *command {
	var f stateFlags
	return &command{
		synopsis: "Check that the state makes sense",
		usage:    "[flags]",
		help: `
Checks the whole state: that every object has a deployment and a provider that
are known, that what it depends on is there and nothing depends on itself, that
nothing stands there twice, and that every object fits its provider's schema.
Run it after git merged two people's changes.

Example:
  git merge theirs && nxc state verify`,
		flags: f.register,
		run: func(ctx context.Context, args []string) int {
			if status, bad := noArguments(env, "state verify", args); bad {
				return status
			}
			s, ok := f.read(ctx, env, "state verify")
			if !ok {
				return exitError
			}
			problems := []problemJSON{}
			var broken *state.InvariantError
			if err := s.Verify(); errors.As(err, &broken) {
				for _, p := range broken.Problems {
					problems = append(problems, problemJSON{p.Where, p.Detail})
				}
			}
			problems = append(problems, misfits(ctx, env, s)...)
			status := exitOK
			if len(problems) > 0 {
				status = exitError
			}
			if f.json {
				printJSON(env, struct {
					FormatVersion string        `json:"format_version"`
					Valid         bool          `json:"valid"`
					Problems      []problemJSON `json:"problems"`
				}{"1.0", len(problems) == 0, problems})
				return status
			}
			for _, p := range problems {
				fmt.Fprintf(env.Stderr, "%s: %s\n", p.Where, p.Detail)
			}
			if len(problems) == 0 {
				fmt.Fprintf(env.Stdout, "The state makes sense: %d resources.\n", s.Len())
			}
			return status
		},
	}
}

type problemJSON struct {
	Where  string `json:"where"`
	Detail string `json:"detail"`
}

// misfits lists the objects that do not fit their provider's schema. A
// provider that is not installed here is no mistake of the state's.
func misfits(ctx context.Context, env *Env, s *state.State) []problemJSON {
	installed := newPlugins(env, xdg(env, "XDG_CACHE_HOME", ".cache"), logger(env))
	schemas := map[string]*plugins.Schema{}
	var list []problemJSON
	for _, r := range s.Resources() {
		for _, i := range append([]state.Incarnation{r.Incarnation}, r.Deposed...) {
			if i.Provider == "" {
				continue
			}
			name, _, _ := strings.Cut(i.Provider, ".")
			schema, asked := schemas[name]
			if !asked {
				schema, _ = installed.Schema(ctx, name)
				schemas[name] = schema
			}
			if schema == nil {
				continue
			}
			t := schema.Resources[r.Address.Type]
			switch {
			case t == nil:
				list = append(list, problemJSON{r.Address.String(), fmt.Sprintf("provider %s has no type %q", name, r.Address.Type)})
			case i.SchemaVersion > t.Version:
				list = append(list, problemJSON{r.Address.String(), fmt.Sprintf("it was written with schema version %d, and provider %s knows %d; install a newer one", i.SchemaVersion, name, t.Version)})
			case i.SchemaVersion == t.Version:
				if _, err := i.Object(t.Block.Type()); err != nil {
					list = append(list, problemJSON{r.Address.String(), fmt.Sprintf("it does not fit provider %s's schema: %v", name, err)})
				}
			}
		}
	}
	return list
}
