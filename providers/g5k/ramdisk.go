package g5k

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/record"
)

// Ramdisk is what nodes of a job are to boot, in the memory of each.
type Ramdisk struct {
	Site    string   `nxc:"site,required,replace" doc:"Site that the nodes are of."`
	Job     int64    `nxc:"job,required,replace" doc:"Number of the job that has the nodes: g5k_job.X.uid."`
	Hosts   []string `nxc:"hosts,optional" doc:"The nodes: g5k_job.X.assigned_nodes."`
	Of      int64    `nxc:"of,optional" doc:"How many of them are used; those behind are spares, which get nothing before they are."`
	Kernels []string `nxc:"kernels,required" doc:"Kernels."`
	Initrd  string   `nxc:"initrd,required" doc:"Initrd."`
	Systems []string `nxc:"systems,optional" doc:"Store paths of the systems that are wanted. A node that runs one of them already gets nothing."`

	ID      string   `nxc:"id,computed" doc:"Its name in nxc's own records."`
	Reached []string `nxc:"reached,computed" doc:"Nodes that have everything, or need nothing."`
	Failed  []string `nxc:"failed,computed" doc:"Nodes that could not be reached."`
}

// ramdisks handles g5k_ramdisk. It comes before the nodes that boot what it
// brings, so that all get it from each other, and goes after them: then it
// gives the nodes back to the site's own system.
type ramdisks struct{ *testbed }

var (
	_ sdk.Handler[Ramdisk] = ramdisks{}
	_ sdk.Updater[Ramdisk] = ramdisks{}
	_ sdk.Planner[Ramdisk] = ramdisks{}
)

const ramdiskPrefix = "ramdisk-"

func (r ramdisks) folderOf(id string) string { return filepath.Join(r.folders.State, ramdiskPrefix+id) }

// Create brings everything to all nodes. A node that cannot be reached is no
// failure yet: a spare one may take its place.
func (r ramdisks) Create(ctx context.Context, op sdk.Operation, want *Ramdisk) error {
	want.ID = record.ID(op)
	if err := record.Begin(op, r.folderOf(want.ID), *want); err != nil {
		return err
	}
	if err := r.bring(ctx, op, want); err != nil {
		return err
	}
	return record.Finish(r.folderOf(want.ID), *want)
}

// used are the nodes that are not spares.
func (w *Ramdisk) used() []string {
	if w.Of > 0 && int(w.Of) < len(w.Hosts) {
		return w.Hosts[:w.Of]
	}
	return w.Hosts
}

func (r ramdisks) bring(ctx context.Context, op sdk.Operation, want *Ramdisk) error {
	op.Phase("looking at the nodes")
	todo, fine, failed := r.survey(ctx, op, want)
	if len(todo) > 0 {
		p, err := r.newPush(op, want.Kernels, want.Initrd)
		if err != nil {
			return err
		}
		lost, err := p.to(ctx, todo)
		if err != nil {
			return err
		}
		for _, host := range todo {
			if err := lost[host]; err != nil {
				failed[host] = err
			} else {
				fine = append(fine, host)
			}
		}
	}
	want.Reached, want.Failed = nodesOf(fine), nil
	var last error
	for host, err := range failed {
		want.Failed, last = append(want.Failed, host), fmt.Errorf("%s: %w", host, err)
	}
	want.Failed = nodesOf(want.Failed)
	if len(fine) == 0 {
		if reason, err := r.goneWith(ctx, want.Site, want.Job); err == nil && reason != "" {
			return sdk.Error(fmt.Sprintf("Job %d is over", want.Job), upper(reason)+". nxc apply reserves nodes again; give the job a longer walltime if it was too short.")
		}
		return sdk.Error("No node of the job can be reached", fmt.Sprintf("The last one: %v.", last))
	}
	for _, host := range want.Failed {
		op.Note(fmt.Sprintf("%s got no image: %v", short([]string{host}), failed[host]))
	}
	return nil
}

// survey tells nodes that need the images from those that run what is wanted.
func (r ramdisks) survey(ctx context.Context, op sdk.Operation, want *Ramdisk) (todo, fine []string, failed map[string]error) {
	failed = map[string]error{}
	var mu sync.Mutex
	var all sync.WaitGroup
	places := make(chan struct{}, 32)
	for _, host := range want.used() {
		all.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			runs, err := r.runs(ctx, op, host)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				failed[host] = err
			case runs != "" && slices.Contains(want.Systems, runs):
				fine = append(fine, host)
			default:
				todo = append(todo, host)
			}
		})
	}
	all.Wait()
	return nodesOf(todo), fine, failed
}

// runs returns the system of the deployment's that a node runs, "" for none.
func (r ramdisks) runs(ctx context.Context, op sdk.Operation, host string) (string, error) {
	s, _, err := r.patientLogin(ctx, op, host)
	if err != nil {
		return "", err
	}
	defer s.Close()
	if !s.ours {
		return "", nil
	}
	text, exit, err := s.shell(ctx, "readlink /run/current-system")
	if exit != 0 {
		text = ""
	}
	return text, err
}

// Read looks whether the job is there. What lies in the memory of nodes is not
// asked for: it is gone when they have booted.
func (r ramdisks) Read(ctx context.Context, _ sdk.Operation, have *Ramdisk) (bool, error) {
	reason, err := r.goneWith(ctx, have.Site, have.Job)
	if err == nil && reason != "" {
		err = sdk.Gone(reason)
	}
	return err == nil, err
}

// Update brings other images to the nodes that need them.
func (r ramdisks) Update(ctx context.Context, op sdk.Operation, have Ramdisk, want *Ramdisk) error {
	want.ID = have.ID
	if have.Initrd == want.Initrd && slices.Equal(have.Kernels, want.Kernels) && slices.Equal(have.used(), want.used()) {
		want.Reached, want.Failed = have.Reached, have.Failed
	} else if err := r.bring(ctx, op, want); err != nil {
		return err
	}
	return record.Finish(r.folderOf(want.ID), *want)
}

// Plan says that who is reached is found out anew.
func (r ramdisks) Plan(_ context.Context, _ sdk.Operation, prior *Ramdisk, p *sdk.Planned[Ramdisk]) error {
	v := &p.Value
	if prior != nil && !p.Unknown("hosts") && prior.Initrd == v.Initrd && slices.Equal(prior.Kernels, v.Kernels) && slices.Equal(prior.used(), v.used()) {
		return nil
	}
	p.SetUnknown("reached")
	p.SetUnknown("failed")
	return nil
}

// Delete boots the nodes that run our systems from their disks, so that the
// site finds them as it gave them. Those that do not answer are left to it.
func (r ramdisks) Delete(ctx context.Context, op sdk.Operation, have *Ramdisk) error {
	if have.ID == "" {
		have.ID = record.ID(op)
	}
	reason, err := r.goneWith(ctx, have.Site, have.Job)
	if err != nil {
		return err
	}
	if reason == "" {
		op.Phase("giving the nodes back")
		var all sync.WaitGroup
		places := make(chan struct{}, 32)
		for _, host := range have.Hosts {
			all.Go(func() {
				places <- struct{}{}
				defer func() { <-places }()
				r.giveBack(ctx, op, host)
			})
		}
		all.Wait()
	}
	return record.Remove(r.folderOf(have.ID))
}

// giveBack reboots a node that runs a system of the deployment's, or else
// removes what lies in its memory.
func (r ramdisks) giveBack(ctx context.Context, op sdk.Operation, host string) {
	ctx, cancel := context.WithTimeout(ctx, 4*answerTime)
	defer cancel()
	s, err := r.login(ctx, op, host, answerTime)
	if err != nil {
		op.Log(fmt.Sprintf("%s is left as it is: %v", host, err))
		return
	}
	defer s.Close()
	script := findFolder(op.UUID) + `; rm -rf "$d"`
	if s.ours { // one whose store is elsewhere may have none in a moment
		script = "nohup sh -c 'if grep -q nfs_store= /proc/cmdline; then sleep 0.3; echo s >/proc/sysrq-trigger; echo b >/proc/sysrq-trigger; fi; " +
			"sleep 1; systemctl --no-block reboot || reboot -f' >/dev/null 2>&1 </dev/null &"
	}
	if _, _, err := s.shell(ctx, script); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		op.Log(fmt.Sprintf("%s is left as it is: %v", host, err))
	}
}

// Find lists the deployment's ramdisks.
func (r ramdisks) Find(_ context.Context, op sdk.Operation) ([]sdk.Found[Ramdisk], error) {
	return record.Find[Ramdisk](r.folders.State, ramdiskPrefix, op.UUID)
}

// timeouts of what boots nodes.
func bootTimeouts() plugins.Timeouts {
	return plugins.Timeouts{Create: 40 * time.Minute, Update: 40 * time.Minute, Delete: 5 * time.Minute}
}
