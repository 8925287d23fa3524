package g5k

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/record"
	"github.com/nixos-compose/nxc/plugins/sdk/sshnode"
)

// Node is a physical node that runs a system of ours.
type Node struct {
	Name         string   `nxc:"name,required,replace" doc:"Host name inside the system."`
	Site         string   `nxc:"site,required,replace" doc:"Site that it is of."`
	Job          int64    `nxc:"job,required,replace" doc:"Number of the job that has it: g5k_job.X.uid."`
	Hosts        []string `nxc:"hosts,optional" doc:"Nodes that it may be when it is made: g5k_job.X.assigned_nodes, or g5k_deployment.X.deployed."`
	Index        int64    `nxc:"index,optional" doc:"Which of the hosts it takes, from 0."`
	Of           int64    `nxc:"of,optional" doc:"How many nodes share the hosts; those behind take the place of one that is dead."`
	Host         string   `nxc:"host,optional,computed,exclusive" doc:"The node that it is, such as dahu-1.grenoble.grid5000.fr."`
	Method       string   `nxc:"method,optional,replace,default=kexec" doc:"How the system comes there: kexec, or deployed, by Kadeploy."`
	Deployment   string   `nxc:"deployment,optional,replace" doc:"Kadeploy's deployment that put the image there: g5k_deployment.X.uid."`
	Vlan         int64    `nxc:"vlan,optional,replace" doc:"KaVLAN network that it is in, where Kadeploy put it into one."`
	System       string   `nxc:"system,optional,replace" doc:"Store path of the system that it runs."`
	Kernel       string   `nxc:"kernel,optional" doc:"Kernel, for kexec. A newer one is used at the next boot."`
	Initrd       string   `nxc:"initrd,optional" doc:"Initrd, for kexec, behind which the node's context is put. A newer one is used at the next boot."`
	KernelParams []string `nxc:"kernel_params,optional,replace" doc:"Parameters of the kernel, for kexec."`

	ID      string `nxc:"id,computed" doc:"Its name in nxc's own records."`
	Address string `nxc:"address,computed" doc:"IPv4 address in the site's network."`
	HostKey string `nxc:"host_key,computed" doc:"The host key that it is known by, where it made one for itself."`
	Trouble string `nxc:"trouble,computed" doc:"What is wrong with it, in a few words; nothing when all is well."`
}

// Methods by which a system comes to a node.
const (
	byKexec  = "kexec"
	deployed = "deployed"
)

// foreignTrouble is that of a node which answers, and is not ours any more.
const foreignTrouble = "it runs another system"

// nodes handles g5k_node, whose objects are nodes.
type nodes struct{ *testbed }

var (
	_ sdk.Handler[Node]   = nodes{}
	_ sdk.Updater[Node]   = nodes{}
	_ sdk.Planner[Node]   = nodes{}
	_ sdk.Validator[Node] = nodes{}
	_ sdk.Execer[Node]    = nodes{}
	_ sdk.Copier[Node]    = nodes{}
	_ sdk.Powerer[Node]   = nodes{}
	_ sdk.Consoler[Node]  = nodes{}
	_ sdk.Linker[Node]    = nodes{}
	_ sdk.Contexter[Node] = nodes{}
)

const (
	nodePrefix  = "node-"
	contextFile = "context.json"
)

func (n nodes) folderOf(id string) string { return filepath.Join(n.folders.State, nodePrefix+id) }

// Create gives a node of the job its system and its context, and waits until
// it answers. Where a node is dead, a spare one takes its place.
func (n nodes) Create(ctx context.Context, op sdk.Operation, want *Node) error {
	if _, err := want.candidates(); err != nil {
		return n.unlessOver(ctx, want, err) // nothing was begun
	}
	want.ID = record.ID(op)
	dir := n.folderOf(want.ID)
	if err := record.Begin(op, dir, *want); err != nil {
		return err
	}
	if op.Context != nil {
		if err := sshnode.KeepContext(filepath.Join(dir, contextFile), *op.Context); err != nil {
			return fmt.Errorf("keep the context of %s: %w", want.Name, err)
		}
	}
	if err := n.settle(ctx, op, want); err != nil {
		return n.unlessOver(ctx, want, err)
	}
	return record.Finish(dir, *want)
}

// settle tries the hosts that the node may take, one after the other.
func (n nodes) settle(ctx context.Context, op sdk.Operation, want *Node) error {
	candidates, err := want.candidates()
	if err != nil {
		return err
	}
	var tried []error
	for i, host := range candidates {
		if !n.claim(want.Job, host) {
			continue
		}
		if i > 0 {
			op.Note(fmt.Sprintf("%s: %s takes the place of %s", want.Name, short([]string{host}), short(candidates[:1])))
		}
		want.Host = host
		err := n.boot(ctx, op, want)
		if err == nil {
			return nil
		}
		n.release(want.Job, host)
		tried = append(tried, err)
		if ctx.Err() != nil || !isDead(err) {
			break
		}
		op.Note(fmt.Sprintf("%s: %s cannot be used: %v", want.Name, short([]string{host}), err))
	}
	if len(tried) == 0 {
		return sdk.Error(want.Name+" has no host left", "All nodes of the job are taken. Reserve one more.")
	}
	last := tried[len(tried)-1]
	if want.Method == deployed && isDead(last) {
		return sdk.Error(fmt.Sprintf("%s did not come up on %s", want.Name, short([]string{want.Host})),
			fmt.Sprintf("%v. The next nxc apply deploys it again, on a spare node where there is one.", last))
	}
	if len(tried) > 1 || isDead(last) {
		return sdk.Error(fmt.Sprintf("%s did not come up on %s", want.Name, short([]string{want.Host})),
			fmt.Sprintf("%v. There is no spare node left: reserve one or two more than you need (spares), or run nxc apply again.", last))
	}
	return last
}

// candidates are the hosts that the node may take, the one that is its own first.
func (v *Node) candidates() ([]string, error) {
	own := v.Host
	if own == "" && int(v.Index) < len(v.Hosts) {
		own = v.Hosts[v.Index]
	}
	if own == "" && v.Method == deployed {
		return nil, sdk.Error(v.Name+" has no node", "Kadeploy could deploy none for it, and no spare one is left. nxc apply tries again.")
	}
	if own == "" {
		return nil, sdk.Error(v.Name+" has no host", fmt.Sprintf("The job has %d nodes, and this is number %d. Reserve more.", len(v.Hosts), v.Index+1))
	}
	all := []string{own}
	if v.Of > 0 && int(v.Of) < len(v.Hosts) {
		for _, spare := range v.Hosts[v.Of:] {
			if spare != own {
				all = append(all, spare)
			}
		}
	}
	return all, nil
}

// claim takes a host for a node, unless another node of this process has it.
func (t *testbed) claim(job int64, host string) bool {
	t.ways.mu.Lock()
	defer t.ways.mu.Unlock()
	key := fmt.Sprint(job)
	if t.ways.claimed == nil {
		t.ways.claimed = map[string]map[string]bool{}
	}
	if t.ways.claimed[key] == nil {
		t.ways.claimed[key] = map[string]bool{}
	}
	if t.ways.claimed[key][host] {
		return false
	}
	t.ways.claimed[key][host] = true
	return true
}

func (t *testbed) release(job int64, host string) {
	t.ways.mu.Lock()
	defer t.ways.mu.Unlock()
	delete(t.ways.claimed[fmt.Sprint(job)], host)
}

// deadError is about a host that is of no use: another one may be.
type deadError struct{ err error }

func (e *deadError) Error() string { return e.err.Error() }
func (e *deadError) Unwrap() error { return e.err }

func isDead(err error) bool {
	var dead *deadError
	return errors.As(err, &dead)
}

// unlessOver says that the job ended, where that is why something failed.
func (n nodes) unlessOver(ctx context.Context, have *Node, err error) error {
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	if job, jobErr := n.client.Job(asking, have.Site, have.Job); jobErr == nil && job.Ended() {
		return jobOver(job, have.Site)
	}
	return err
}

// Read looks whether the job still has the node, and whether it answers.
func (n nodes) Read(ctx context.Context, op sdk.Operation, have *Node) (bool, error) {
	reason, err := n.goneWith(ctx, have.Site, have.Job)
	if err != nil {
		return false, err
	}
	if reason != "" {
		return false, sdk.Gone(reason)
	}
	if have.Host == "" {
		return false, nil
	}
	n.claim(have.Job, have.Host)
	have.Trouble = ""
	_, err = n.session(ctx, op, have)
	for range 2 { // what was lost for a moment is there at the next try
		if err == nil || ctx.Err() != nil {
			break
		}
		_, err = n.session(ctx, op, have)
	}
	switch {
	case err == nil:
	case errors.Is(err, errForeign):
		have.Trouble = foreignTrouble
	default:
		have.Trouble = "it does not answer"
		if state := n.hardState(ctx, have); state != "" && state != "alive" {
			have.Trouble += fmt.Sprintf("; the site calls it %s", state)
		}
	}
	return true, nil
}

// hardState is the site's word for how a node is, "" when it says none.
func (t *testbed) hardState(ctx context.Context, have *Node) string {
	status, err := t.client.Status(ctx, have.Site, "")
	if err != nil {
		return ""
	}
	return status.Nodes[have.Host].Hard
}

// Update takes note of what a node boots with the next time.
func (n nodes) Update(_ context.Context, _ sdk.Operation, have Node, want *Node) error {
	want.Host, want.Address, want.HostKey, want.Trouble = have.Host, have.Address, have.HostKey, ""
	return record.Finish(n.folderOf(want.ID), *want)
}

// Delete forgets the node. Its system runs until the job ends, or until another
// takes its place: see g5k_ramdisk.
func (n nodes) Delete(_ context.Context, op sdk.Operation, have *Node) error {
	if have.ID == "" {
		have.ID = record.ID(op)
	}
	n.dropSession(have.ID)
	n.release(have.Job, have.Host)
	return record.Remove(n.folderOf(have.ID))
}

// Find lists the deployment's nodes.
func (n nodes) Find(_ context.Context, op sdk.Operation) ([]sdk.Found[Node], error) {
	return record.Find[Node](n.folders.State, nodePrefix, op.UUID)
}

// Plan asks for another node where this one is of no use any more.
func (n nodes) Plan(_ context.Context, _ sdk.Operation, prior *Node, p *sdk.Planned[Node]) error {
	v := &p.Value
	v.Trouble = ""
	p.SetKnown("trouble")
	if v.Method == byKexec {
		v.HostKey = ""
		p.SetKnown("host_key")
	}
	if prior == nil {
		return nil
	}
	// Which node it is was decided when it was made.
	v.Hosts, v.Index, v.Of = prior.Hosts, prior.Index, prior.Of
	for _, name := range []string{"hosts", "index", "of"} {
		p.SetKnown(name)
	}
	if prior.Trouble != "" {
		p.Replace("trouble", prior.Trouble)
		return nil
	}
	if !p.Unknown("host") && v.Host != "" && prior.Host != v.Host {
		p.Replace("host", "another host is wanted")
	}
	return nil
}

// Validate checks what the schema cannot say.
func (n nodes) Validate(_ context.Context, config Node) plugins.Diagnostics {
	var d plugins.Diagnostics
	refuse := func(path, summary, detail string) {
		var more plugins.Diagnostics
		if errors.As(sdk.AttributeError(path, summary, detail), &more) {
			d = append(d, more...)
		}
	}
	if config.Method != "" && config.Method != byKexec && config.Method != deployed {
		refuse("method", fmt.Sprintf("There is no method %q", config.Method), "It is kexec or deployed.")
	}
	if config.Index < 0 {
		refuse("index", fmt.Sprintf("%d is less than nothing", config.Index), "Give a number from 0 on.")
	}
	return d
}

// hostKey is the key by which a node is known: the one that nxc made for it,
// or the one that it made for itself.
func (n nodes) hostKey(have *Node) (ssh.PublicKey, error) {
	if have.HostKey != "" {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(have.HostKey))
		return key, err
	}
	files, err := sshnode.KeptContext(filepath.Join(n.folderOf(have.ID), contextFile))
	if err != nil {
		return nil, err
	}
	return sshnode.HostKey(have.Name, files)
}
