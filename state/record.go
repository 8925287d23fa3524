package state

import (
	"fmt"
	"maps"
	"slices"

	"github.com/nixos-compose/nxc/internal/addr"
)

// Record is one entry of a journal. Exactly one member is set.
type Record struct {
	Begin      *Begin
	Intent     *Intent
	Result     *Result
	Deployment *DeploymentChange
	End        *End
}

// Begin opens a journal: what runs, and on top of what.
type Begin struct {
	Lineage   string
	Workspace string
	Command   Command
	Base      map[addr.Deployment]string // hashes of what it changes
	Reads     map[addr.Deployment]string // hashes of what it only reads
	After     []string                   // journals of dead commands that it took over
}

// Action is what an operation does to an object.
type Action string

const (
	Create Action = "create"
	Update Action = "update"
	Delete Action = "delete"
)

// Intent announces an operation. It says all that is needed to find what
// became of it, and to take it in, without the configuration that led to it.
type Intent struct {
	Address addr.Instance
	Action  Action
	Attempt string // the new object's when creating, else the existing one's
	UUID    string // the deployment's

	// Planned is the object as it is to be: provider, schema version,
	// dependencies, attempt and values. Nil when deleting.
	Planned *Incarnation
	// Provider is the configuration that the operation goes through, under
	// ProviderName among the deployment's.
	ProviderName string
	Provider     Provider
}

// Result says what is at an address after an operation: the whole resource,
// or nothing. It answers the intent with its address and attempt; without one
// it records what a refresh found.
type Result struct {
	Address  addr.Instance
	Attempt  string
	Resource *Resource // nil: gone
	// From is where the resource was until now, in the same deployment: what
	// moves is at one address or the other, whenever the command is killed.
	From addr.Instance
}

func (r *Result) moved() bool { return r.From != addr.Instance{} }

// DeploymentChange replaces a deployment's record, or removes it.
type DeploymentChange struct {
	Name   addr.Deployment
	Record *Deployment // nil: removed
}

// End is a journal's last record, written before the state: the hashes that
// the state will have.
type End struct {
	Hashes map[addr.Deployment]string
	Done   []string // journals, of those in Begin.After, of which nothing is open any more
}

// encode writes a record as one line of canonical JSON.
func (r *Record) encode() ([]byte, error) {
	p := &printer{compact: true}
	p.open('{')
	switch {
	case r.Begin != nil:
		p.key("begin")
		writeBegin(p, r.Begin)
	case r.Intent != nil:
		p.key("intent")
		writeIntent(p, r.Intent)
	case r.Result != nil:
		p.key("result")
		writeResult(p, r.Result)
	case r.Deployment != nil:
		p.key("deployment")
		p.open('{')
		p.text("name", deploymentName(r.Deployment.Name))
		if r.Deployment.Record != nil {
			p.key("record")
			writeDeployment(p, r.Deployment.Record)
		}
		p.close('}')
	case r.End != nil:
		p.key("end")
		p.open('{')
		writeHashes(p, "hashes", r.End.Hashes)
		writeTexts(p, "done", r.End.Done)
		p.close('}')
	default:
		return nil, fmt.Errorf("an empty record for the journal")
	}
	p.close('}')
	if p.err != nil {
		return nil, fmt.Errorf("a record for the journal holds a value that is not JSON: %w", p.err)
	}
	return p.buf, nil
}

func writeBegin(p *printer, b *Begin) {
	p.open('{')
	p.number("format", format1)
	p.text("lineage", b.Lineage)
	p.text("workspace", b.Workspace)
	p.key("command")
	writeCommand(p, b.Command)
	writeHashes(p, "base", b.Base)
	writeHashes(p, "reads", b.Reads)
	writeTexts(p, "after", b.After)
	p.close('}')
}

func writeIntent(p *printer, i *Intent) {
	p.open('{')
	p.text("address", i.Address.String())
	p.text("action", string(i.Action))
	p.text("attempt", i.Attempt)
	p.text("uuid", i.UUID)
	if i.Planned != nil {
		p.key("planned")
		p.open('{')
		writeIncarnation(p, i.Planned)
		p.close('}')
	}
	p.text("provider_name", i.ProviderName)
	p.key("provider")
	writeProvider(p, i.Provider)
	p.close('}')
}

func writeResult(p *printer, r *Result) {
	p.open('{')
	p.text("address", r.Address.String())
	p.text("attempt", r.Attempt)
	if r.Resource != nil {
		p.key("resource")
		writeResource(p, r.Resource)
	}
	if r.moved() {
		p.text("from", r.From.String())
	}
	p.close('}')
}

func writeHashes(p *printer, member string, hashes map[addr.Deployment]string) {
	p.key(member)
	p.open('{')
	for _, d := range slices.SortedFunc(maps.Keys(hashes), addr.Deployment.Compare) {
		p.text(deploymentName(d), hashes[d])
	}
	p.close('}')
}

func writeTexts(p *printer, member string, texts []string) {
	p.key(member)
	p.open('[')
	for _, t := range texts {
		p.next()
		p.string(t)
	}
	p.close(']')
}
