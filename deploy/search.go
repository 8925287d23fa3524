package deploy

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/config"
	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/state"
)

// search asks providers what became of many operations at once: each provider
// is asked for all that carries a deployment's uuid, and again, while an object
// is missing whose creation may still be on its way to the world.
type search struct {
	p         *Project
	evaluator *config.Evaluator
	questions []*question // in the order in which they came up
	waited    []string    // journals whose plugins are gone
}

// question is what one provider is asked about one deployment.
type question struct {
	through *provider
	uuid    string
	types   []string
	intents []*state.Intent
	found   []plugins.Found
}

// pause is the time between two questions to one provider.
const pause = 200 * time.Millisecond

// add has an operation looked for. It starts the operation's provider, and
// first waits for the dead command's own to be gone.
func (s *search) add(ctx context.Context, r *state.Recovery, intent *state.Intent) hcl.Diagnostics {
	if !slices.Contains(s.waited, r.Journal) {
		if diags := s.p.awaitSurvivors(ctx, r); diags.HasErrors() {
			return diags
		}
		s.waited = append(s.waited, r.Journal)
	}
	running, diags := s.p.configure(ctx, intent.ProviderName, s.evaluator)
	if diags.HasErrors() {
		return diags
	}
	was := placeOf(intent.Provider)
	if was.Kind != "" && !was.Same(running.location) {
		return hcl.Diagnostics{errorf("A command that was interrupted worked at another place",
			"%s worked on %s at %s, and provider %s now points at %s. Point it there again, so that what was left can be found.",
			r.Command.Command, intent.Address, place(was), intent.ProviderName, place(running.location))}
	}
	if running.schema.Resources[intent.Address.Type] == nil {
		return hcl.Diagnostics{errorf("A type is gone from its provider",
			"%s: provider %s has no %q any more. Use the version that %s was run with.", intent.Address, running.name, intent.Address.Type, r.Command.Command)}
	}
	q := s.question(running, intent.UUID)
	q.intents = append(q.intents, intent)
	if !slices.Contains(q.types, intent.Address.Type) {
		q.types = append(q.types, intent.Address.Type)
		slices.Sort(q.types)
	}
	return nil
}

func (s *search) question(through *provider, uuid string) *question {
	for _, q := range s.questions {
		if q.through == through && q.uuid == uuid {
			return q
		}
	}
	q := &question{through: through, uuid: uuid}
	s.questions = append(s.questions, q)
	return q
}

// run asks until every object was found or cannot appear any more.
func (s *search) run(ctx context.Context) hcl.Diagnostics {
	began := time.Now()
	for _, q := range s.questions {
		for {
			s.p.o.Events.Step("Looking for what became of " + plural(len(q.intents), "interrupted operation") + " through " + q.through.name)
			all, pd := q.through.Find(ctx, plugins.FindRequest{UUID: q.uuid, Types: q.types})
			if pd.HasErrors() {
				return asHCL(pd, nil)
			}
			q.found = all
			left := q.missing() - time.Since(began)
			if left <= 0 {
				break
			}
			s.p.o.Events.Waits(fmt.Sprintf("Waiting up to %s for requests that may still be on their way through %s", left.Round(100*time.Millisecond), q.through.name))
			select {
			case <-ctx.Done():
				return hcl.Diagnostics{errorf("Interrupted", "The search for what an interrupted command left was cut short. Nothing was changed.")}
			case <-time.After(min(left, pause)):
			}
		}
	}
	return nil
}

// missing returns how long, from the beginning of the search, an object may
// still appear that is being made and was not found; 0 when there is none.
func (q *question) missing() time.Duration {
	var longest time.Duration
	for _, intent := range q.intents {
		if intent.Action == state.Create && q.find(intent) == nil {
			longest = max(longest, q.through.schema.Resources[intent.Address.Type].FindWindow)
		}
	}
	return longest
}

func (q *question) find(intent *state.Intent) *plugins.Found {
	i := slices.IndexFunc(q.found, func(f plugins.Found) bool {
		return f.Attempt == intent.Attempt && f.Type == intent.Address.Type // the address may have changed since
	})
	if i < 0 {
		return nil
	}
	return &q.found[i]
}

// answer returns the provider of an operation, and what it found, or nil.
func (s *search) answer(intent *state.Intent) (*provider, *plugins.Found) {
	for _, q := range s.questions {
		if q.uuid == intent.UUID && q.through.name == intent.ProviderName {
			return q.through, q.find(intent)
		}
	}
	return nil, nil
}
