package state

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/internal/addr"
)

// Format 1 of the state file:
//
//	{
//	  "format": 1,
//	  "requires": "0.1.0",            the first nxc that reads this format
//	  "lineage": "…", "owner": "sha256:…",
//	  "open": [ one line a running command ],
//	  "deployments": { "top" or "webserver::docker": { uuid, flavour, pin, providers, nodes, outputs } },
//	  "resources": { "docker_network.lan": { provider, …, asked, observed, secrets, deposed } }
//	}
//
// Blocks are sorted, by deployment and by address, and the comma between two
// stands on a line of its own. There is neither a time nor a serial number in
// it, nor a path of the machine it was written on. A member that is not known
// is refused and not passed over, because the next write would lose it:
// whatever adds a member is another format.
const (
	format1         = 1
	format1Requires = "0.1.0"
	topName         = "top" // the top level among the deployments
)

// encode1 writes s in format 1.
func encode1(s *State) ([]byte, error) {
	p := &printer{buf: make([]byte, 0, 1024+768*s.Len())}
	p.open('{')
	p.number("format", format1)
	p.text("requires", format1Requires)
	p.text("lineage", s.Lineage)
	p.text("owner", s.Owner)
	p.key("open")
	p.open('[')
	for _, c := range sortedCommands(s.Open) {
		p.next()
		p.line(func(p *printer) { writeCommand(p, c) })
	}
	p.close(']')
	p.key("deployments")
	p.open('{')
	for _, d := range s.Deployments() {
		p.nextBlock(deploymentName(d.Name))
		writeDeployment(p, d)
	}
	p.close('}')
	p.key("resources")
	p.open('{')
	for _, r := range s.Resources() {
		p.nextBlock(r.Address.String())
		writeResource(p, r)
	}
	p.close('}')
	p.close('}')
	if p.err != nil {
		return nil, fmt.Errorf("the state holds a value that is not JSON: %w", p.err)
	}
	return append(p.buf, '\n'), nil
}

func deploymentName(d addr.Deployment) string {
	if d.IsTop() {
		return topName
	}
	return d.String()
}

func sortedCommands(open []Command) []Command {
	return slices.SortedFunc(slices.Values(open), func(a, b Command) int {
		return strings.Compare(a.Journal, b.Journal)
	})
}

func writeCommand(p *printer, c Command) {
	p.open('{')
	p.text("journal", c.Journal)
	p.key("deployments")
	p.open('[')
	for _, d := range c.Deployments {
		p.next()
		p.string(deploymentName(d))
	}
	p.close(']')
	p.text("command", c.Command)
	p.text("user", c.User)
	p.text("host", c.Host)
	p.number("pid", int64(c.PID))
	p.close('}')
}

// writeDeployment writes a record without its name.
func writeDeployment(p *printer, d *Deployment) {
	p.open('{')
	p.text("uuid", d.UUID)
	p.optional("flavour", d.Flavour)
	if d.Pin != nil {
		p.key("nixpkgs")
		p.open('{')
		p.optional("label", d.Pin.Label)
		p.optional("revision", d.Pin.Revision)
		p.optional("hash", d.Pin.Hash)
		p.close('}')
	}
	if d.Params != nil {
		p.key("params")
		p.raw(d.Params)
	}
	p.key("providers")
	p.open('{')
	for _, name := range slices.Sorted(maps.Keys(d.Providers)) {
		p.key(name)
		writeProvider(p, d.Providers[name])
	}
	p.close('}')
	p.key("nodes")
	p.open('{')
	for _, n := range slices.SortedFunc(slices.Values(d.Nodes), func(a, b Node) int { return strings.Compare(a.Name, b.Name) }) {
		p.key(n.Name)
		writeNode(p, n)
	}
	p.close('}')
	writeOutputs(p, "outputs", d.Outputs)
	if len(d.Original) > 0 {
		writeOutputs(p, "original_outputs", d.Original)
	}
	p.close('}')
}

func writeProvider(p *printer, v Provider) {
	p.open('{')
	p.key("location")
	p.open('{')
	p.text("kind", v.Location.Kind)
	p.text("id", v.Location.ID)
	p.optional("label", v.Location.Label)
	p.close('}')
	p.key("config")
	p.raw(v.Config)
	writeSecrets(p, v.Secrets)
	p.close('}')
}

func writeNode(p *printer, n Node) {
	p.open('{')
	p.text("role", n.Role)
	p.number("index", int64(n.Index))
	p.text("system", n.System)
	p.text("resource", n.Resource.String())
	p.optional("address", n.Address)
	p.optional("context", n.Context)
	p.close('}')
}

func writeOutputs(p *printer, member string, outputs map[string]Output) {
	p.key(member)
	p.open('{')
	for _, name := range slices.Sorted(maps.Keys(outputs)) {
		o := outputs[name]
		p.key(name)
		p.open('{')
		p.key("type")
		p.line(func(p *printer) { p.raw(o.Type) })
		if o.Sensitive {
			p.key("sensitive")
			p.buf = append(p.buf, "true"...)
		} else {
			p.key("value")
			p.raw(o.Value)
		}
		p.close('}')
	}
	p.close('}')
}

// writeResource writes a resource without its address.
func writeResource(p *printer, r *Resource) {
	p.open('{')
	if r.Exists() {
		writeIncarnation(p, &r.Incarnation)
	}
	if len(r.Deposed) > 0 {
		p.key("deposed")
		p.open('[')
		for i := range r.Deposed {
			p.next()
			p.open('{')
			writeIncarnation(p, &r.Deposed[i])
			p.close('}')
		}
		p.close(']')
	}
	p.close('}')
}

func writeIncarnation(p *printer, i *Incarnation) {
	p.text("provider", i.Provider)
	if i.SchemaVersion != 0 {
		p.number("schema_version", i.SchemaVersion)
	}
	p.optional("attempt", i.Attempt)
	p.optional("status", string(i.Status))
	if len(i.Dependencies) > 0 {
		p.key("dependencies")
		p.open('[')
		for _, a := range slices.SortedFunc(slices.Values(i.Dependencies), addr.Instance.Compare) {
			p.next()
			p.string(a.String())
		}
		p.close(']')
	}
	p.key("asked")
	p.raw(i.Asked)
	p.key("observed")
	p.raw(i.Observed)
	writeSecrets(p, i.Secrets)
}

func writeSecrets(p *printer, secrets []Secret) {
	if len(secrets) == 0 {
		return
	}
	p.key("secrets")
	p.open('[')
	for _, s := range secrets {
		p.next()
		p.line(func(p *printer) {
			p.open('{')
			p.key("path")
			var err error
			if p.buf, err = appendPath(p.buf, s.Path); err != nil && p.err == nil {
				p.err = err
			}
			p.optional("fingerprint", s.Fingerprint)
			p.close('}')
		})
	}
	p.close(']')
}
