package deploy

import (
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/state"
)

// finding is what became of one operation of a dead command.
type finding struct {
	intent   *state.Intent
	resource *state.Resource // what is at the address, as it will be recorded
	what     outcome
}

type outcome uint8

const (
	completed  outcome = iota
	halfMade           // its creation was cut short
	notRemoved         // its removal was cut short, and perhaps begun
	neverMade
	second // another object has its address already
)

// understand turns what a provider found into what will be recorded.
func (p *Project) understand(s *search, r *state.Recovery, intent *state.Intent) (finding, hcl.Diagnostics) {
	f := finding{intent: intent, resource: p.recorded.Resource(intent.Address)}
	through, found := s.answer(intent)
	switch {
	case found == nil && intent.Action == state.Update && f.known():
		return f, nil // the refresh will tell
	case found == nil:
		f.what = neverMade
		f.resource = f.absent()
		return f, nil
	case intent.Action == state.Delete:
		return f, f.removing(through, found)
	case intent.Action == state.Update && f.known():
		return f, nil
	}
	return f, f.made(through, found, r.Verdict == state.OtherBase)
}

// known reports whether the record has the operation's object.
func (f *finding) known() bool {
	r := f.resource
	return r != nil && (r.Exists() && r.Attempt == f.intent.Attempt || f.isDeposed())
}

func (f *finding) isDeposed() bool {
	return f.resource != nil && slices.ContainsFunc(f.resource.Deposed, func(i state.Incarnation) bool { return i.Attempt == f.intent.Attempt })
}

// absent is the record when the operation's object does not exist: without it.
func (f *finding) absent() *state.Resource {
	r := f.resource
	if r == nil {
		return nil
	}
	if !r.Exists() || r.Attempt != f.intent.Attempt {
		return r.WithoutDeposed(f.intent.Attempt)
	}
	r = r.Copy()
	r.Incarnation = state.Incarnation{}
	if len(r.Deposed) == 0 {
		return nil
	}
	return r
}

// removing takes in an object whose removal was under way. It may have lost
// parts already, so it is not used again.
func (f *finding) removing(through *provider, found *plugins.Found) hcl.Diagnostics {
	f.what = notRemoved
	switch {
	case f.isDeposed():
		return nil // it will be removed in any case
	case f.known():
		f.resource = f.resource.Copy()
		f.resource.Status = state.HalfMade
		return nil
	}
	t := through.schema.Resources[f.intent.Address.Type]
	now := state.Incarnation{
		Provider: f.intent.ProviderName, SchemaVersion: t.Version, Attempt: f.intent.Attempt, Status: state.HalfMade,
	}
	if err := now.SetObject(found.Object, state.Split{Type: t.Block.Type(), Sensitive: sensitivePaths(&t.Block)}); err != nil {
		return notRecordable(f.intent, err)
	}
	f.put(now, true)
	return nil
}

// made takes in an object whose creation, or change, was under way.
func (f *finding) made(through *provider, found *plugins.Found, otherBase bool) hcl.Diagnostics {
	t := through.schema.Resources[f.intent.Address.Type]
	now := *f.intent.Planned
	now.Attempt, now.Status = f.intent.Attempt, state.Ready
	if !found.Complete {
		now.Status, f.what = state.HalfMade, halfMade
	}
	asked, err := f.intent.Planned.Object(t.Block.Type())
	if err != nil {
		return hcl.Diagnostics{errorf("The record of an interrupted command does not fit", "%s: %s", f.intent.Address, sentence(err))}
	}
	secrets := now.Secrets
	split := state.Split{Type: t.Block.Type(), Computed: decidedByWorld(&t.Block, asked), Sensitive: sensitivePaths(&t.Block)}
	if err := now.SetObject(found.Object, split); err != nil {
		return notRecordable(f.intent, err)
	}
	now.Secrets = secrets
	f.put(now, otherBase)
	return nil
}

// put adds an object to the record. Where another one has the address, that is
// deposed: this is the new one of a replacement that creates before it
// destroys. On a state that the command did not work on, this one is.
func (f *finding) put(now state.Incarnation, otherBase bool) {
	r := f.resource
	switch {
	case r == nil:
		f.resource = &state.Resource{Address: f.intent.Address, Incarnation: now}
		return
	case f.isDeposed():
		return
	case !r.Exists(), r.Attempt == now.Attempt:
		r = r.Copy()
		r.Incarnation = now
	case otherBase:
		r = r.Copy()
		r.Deposed = append(r.Deposed, now)
		f.what = second
	default:
		r = r.Depose()
		r.Incarnation = now
	}
	f.resource = r
}

// deployment returns the record of the finding's deployment with all that the
// finding's object needs of it, and whether that is new.
func (f *finding) deployment(record *state.Deployment) (*state.Deployment, bool) {
	if record == nil {
		record = &state.Deployment{Name: f.intent.Address.Deployment, UUID: f.intent.UUID}
	} else if _, ok := record.Providers[f.intent.ProviderName]; ok {
		return record, false
	}
	record = record.Copy()
	if record.Providers == nil {
		record.Providers = map[string]state.Provider{}
	}
	record.Providers[f.intent.ProviderName] = f.intent.Provider
	return record, true
}

func notRecordable(intent *state.Intent, err error) hcl.Diagnostics {
	return hcl.Diagnostics{errorf("What was found cannot be recorded", "%s: %s", intent.Address, sentence(err))}
}
