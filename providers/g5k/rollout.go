package g5k

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/sshnode"
	"github.com/nixos-compose/nxc/providers/g5k/api"
	"github.com/nixos-compose/nxc/providers/g5k/reach"
)

// rollout is the making of a deployment, in one or more rounds.
type rollout struct {
	deployments
	op       sdk.Operation
	want     *Deployment
	deployed []string
	failed   []string
	results  map[string]api.NodeResult // of the last round that a node was in
}

// clear ends what an attempt that was cut short left under way on the nodes: no
// node takes part in two deployments.
func (r *rollout) clear(ctx context.Context, nodes []string) error {
	client := r.client.Waiting(r.op.Phase)
	active, err := client.ActiveDeployments(ctx, r.want.Site)
	if err != nil {
		return explain(err, "list your deployments at "+r.want.Site)
	}
	for _, other := range active {
		if !slices.ContainsFunc(other.Nodes, func(n string) bool { return slices.Contains(nodes, n) }) {
			continue
		}
		r.op.Phase("cancelling a deployment of the same nodes that is under way")
		if err := r.cancel(ctx, client, r.want.Site, other.UID); err != nil {
			return explainUnlessSaid(err, "cancel deployment "+other.UID)
		}
	}
	return nil
}

// roll deploys nodes, tries again what failed, and takes spares for the rest. It
// returns which node came to be in the place of each, none where all failed.
func (r *rollout) roll(ctx context.Context, nodes, spares []string) ([]string, error) {
	at := slices.Clone(nodes)
	todo := make([]int, len(at))
	for i := range at {
		todo[i] = i
	}
	for round := 0; len(todo) > 0; round++ {
		now := make([]string, len(todo))
		for n, i := range todo {
			now[n] = at[i]
		}
		ko, err := r.deploy(ctx, now)
		if err != nil {
			return nil, err
		}
		todo = slices.DeleteFunc(todo, func(i int) bool { return !slices.Contains(ko, at[i]) })
		if round < r.want.retries() {
			continue
		}
		r.failed = append(r.failed, ko...)
		var next []int
		for _, i := range todo {
			at[i] = ""
			if len(spares) > 0 {
				at[i], spares = spares[0], spares[1:]
				next = append(next, i)
			}
		}
		if todo = next; len(todo) > 0 {
			var taken []string
			for _, i := range todo {
				taken = append(taken, at[i])
			}
			takes := "take their place"
			if len(taken) == 1 {
				takes = "takes its place"
			}
			if len(taken) < len(ko) {
				takes = "is all that can take their place"
			}
			r.op.Note(fmt.Sprintf("%s could not be deployed; %s %s", short(ko), short(taken), takes))
		}
	}
	return at, nil
}

// deploy deploys nodes once, and returns those that failed.
func (r *rollout) deploy(ctx context.Context, nodes []string) (ko []string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := r.want
	r.report(nil, nodes)
	through, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*r.client.Stale()+3*time.Minute)
	defer cancel()
	client := r.client.Waiting(r.op.Phase)
	made, err := client.Deploy(through, w.Site, api.DeploymentSubmission{
		Nodes: nodes, Environment: w.Environment, Key: r.keys(), Version: w.Version, Arch: w.Arch, Vlan: w.Vlan, Partition: w.Partition,
	})
	if err != nil {
		var over plugins.Diagnostics
		if errors.As(r.jobLives(ctx), &over) {
			return nil, over
		}
		return nil, r.refused(err)
	}
	w.Latest = made.UID
	started := time.Now()
	err = client.Poll(ctx, func() (bool, error) {
		seen, err := client.Deployment(ctx, w.Site, made.UID)
		if api.Missing(err) && time.Since(started) < client.Stale() {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		made = seen
		r.report(seen, nodes)
		if !seen.Active() {
			return true, nil
		}
		return false, r.jobLives(ctx)
	})
	if err != nil {
		return nil, explainUnlessSaid(err, "read deployment "+made.UID)
	}
	if made.Status != "terminated" {
		return nil, r.broken(ctx, made)
	}
	for node, result := range made.Result {
		r.results[node] = result
	}
	ok, silent, err := r.answering(ctx, made.OK())
	if err != nil {
		return nil, err
	}
	r.deployed = append(r.deployed, ok...)
	api.SortNodes(r.deployed)
	w.Deployed = r.deployed
	return append(made.KO(), silent...), nil
}

// firstLogin is the step, beside Kadeploy's own, in which a node may fail.
const firstLogin = "the first login"

// answering tells nodes of ours that let us in from those that Kadeploy is
// content with and that do not answer. Others are not ours to log in on.
func (r *rollout) answering(ctx context.Context, nodes []string) (ok, silent []string, err error) {
	own, err := sshnode.Key(r.folders.Keys, r.op.UUID)
	if err != nil || len(r.want.Carriers) == 0 || len(r.want.Keys) > 0 {
		return nodes, nil, nil //nolint:nilerr // a deployment without nodes of ours has no key
	}
	r.op.Phase("waiting for the deployed systems")
	ctx, over := context.WithCancelCause(ctx)
	defer over(nil)
	go r.watchJob(ctx, over)
	failures := make([]error, len(nodes))
	var wait sync.WaitGroup
	slots := make(chan struct{}, 32)
	for i, node := range nodes {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			failures[i] = r.untilLogin(ctx, node, own)
		})
	}
	wait.Wait()
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	for i, node := range nodes {
		if failures[i] == nil {
			ok = append(ok, node)
			continue
		}
		silent = append(silent, node)
		r.results[node] = api.NodeResult{State: "KO", Macro: firstLogin, Micro: plainly(failures[i])}
	}
	return ok, silent, nil
}

// watchJob ends what waits for nodes whose job is over.
func (r *rollout) watchJob(ctx context.Context, over context.CancelCauseFunc) {
	var ended plugins.Diagnostics
	_ = r.client.Poll(ctx, func() (bool, error) { return errors.As(r.jobLives(ctx), &ended), nil })
	if ended != nil {
		over(ended)
	}
}

// untilLogin waits until a deployed node lets root in.
func (r *rollout) untilLogin(ctx context.Context, node string, own ssh.Signer) error {
	began := time.Now()
	for try := 0; ; try++ {
		c, err := r.network().Node(ctx, nameIn(node, r.want.Vlan), reach.Login{User: "root", Key: own, Within: within(try), Seen: func(ssh.PublicKey) error { return nil }})
		if err == nil {
			return c.Close()
		}
		if ctx.Err() != nil || time.Since(began) > r.loginPatience() {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// keys are those that may log in: without any, the deployment's own.
func (r *rollout) keys() string {
	if len(r.want.Keys) > 0 {
		return strings.Join(r.want.Keys, "\n")
	}
	own, err := sshnode.Key(r.folders.Keys, r.op.UUID)
	if err != nil {
		return "" // a deployment without nodes of ours has none
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(own.PublicKey())))
}

// jobLives reports that the job ended meanwhile, and how.
func (r *rollout) jobLives(ctx context.Context) error {
	job, err := r.client.Waiting(r.op.Phase).Job(ctx, r.want.Site, r.want.Job)
	if err == nil && job.Ended() {
		return jobOver(job, r.want.Site)
	}
	return err
}

// broken is the error of a deployment that did not come to its end.
func (r *rollout) broken(ctx context.Context, d *api.Deployment) error {
	if err := r.jobLives(ctx); err != nil {
		return explainUnlessSaid(err, fmt.Sprintf("read job %d", r.want.Job))
	}
	if d.Status == "canceled" {
		return sdk.Error("The deployment was cancelled", "Somebody cancelled it at "+r.want.Site+". nxc apply starts it again.")
	}
	text := "Kadeploy says nothing more."
	if d.Output != "" {
		text = "Kadeploy says: " + strings.TrimSpace(d.Output)
	}
	return sdk.Error("Kadeploy gave the deployment up", text+" Is the image where the environment's description says, and can the site read it?")
}

// report tells how far a round is.
func (r *rollout) report(seen *api.Deployment, nodes []string) {
	phase := "deploying"
	done := len(r.deployed)
	if seen != nil {
		done += len(seen.OK())
		if step := commonStep(seen); step != "" {
			phase += " (" + step + ")"
		}
	}
	r.op.Report(plugins.Progress{Phase: phase, Done: int64(done), Expected: int64(len(r.deployed) + len(nodes)), Unit: "nodes"})
}

// commonStep is the step in which most of the nodes are that are not done yet.
func commonStep(d *api.Deployment) string {
	count := map[string]int{}
	best := ""
	for _, node := range d.Nodes {
		result := d.Result[node]
		step := result.Macro
		if step == "" || result.State != "" && result.State != "IN_PROGRESS" {
			continue
		}
		count[step]++
		if count[step] > count[best] || count[step] == count[best] && step < best {
			best = step
		}
	}
	return best
}

// finish says whether what was reached is enough.
func (r *rollout) finish(enough int) error {
	w := r.want
	api.SortNodes(r.failed)
	w.Deployed, w.Failed = r.deployed, r.failed
	if len(r.deployed) >= enough {
		return nil
	}
	var list []string
	for _, node := range r.failed {
		text := node
		if result := r.results[node]; result.Macro != "" {
			text += " (in " + strings.TrimSuffix(result.Macro+", "+result.Micro, ", ") + ")"
		}
		list = append(list, text)
	}
	summary := fmt.Sprintf("%d of %d nodes could not be deployed", enough-len(r.deployed), enough)
	detail := "They are " + strings.Join(list, ", ") + "."
	if len(list) == 1 {
		detail = "It is " + list[0] + "."
	}
	if w.MinNodes > 0 && len(r.deployed) >= int(w.MinNodes) {
		return sdk.Warn(summary, fmt.Sprintf("%s The %d others are enough (min_nodes).", detail, len(r.deployed)))
	}
	if len(w.Carriers) > 0 { // the others are of use, and only what lacks its node fails
		return sdk.Warn(summary, detail+" The others go on. nxc apply tries once more; reserve one or two nodes more and keep them back (spares). Report nodes that fail again to the site.")
	}
	return sdk.Error(summary, detail+" Reserve one or two nodes more and keep them back (spares), or say how many are enough (min_nodes). Report nodes that fail again to the site.")
}

// refused says why Kadeploy did not begin.
func (r *rollout) refused(err error) error {
	message, ok := api.Refusal(err)
	if !ok || api.Is(err, http.StatusUnauthorized) {
		return explain(err, "start a deployment at "+r.want.Site)
	}
	lower := strings.ToLower(message)
	switch {
	case strings.Contains(lower, "image description file"), strings.Contains(lower, "yaml"), strings.Contains(lower, "environment"):
		return sdk.AttributeError("environment", "Kadeploy cannot use the environment", said(err)+" Look whether its description is where it should be, and whether it is whole.")
	case strings.Contains(lower, "image"):
		return sdk.AttributeError("environment", "Kadeploy cannot use the environment's image", said(err)+" Look whether it is where the description says.")
	case strings.Contains(lower, "deploying"):
		return sdk.AttributeError("nodes", "Another deployment of the nodes is under way", said(err)+" Wait for its end, or cancel it.")
	case strings.Contains(lower, "right"), api.Is(err, http.StatusForbidden):
		return sdk.AttributeError("nodes", "You may not deploy these nodes", said(err)+" They must be of a job of yours that runs, of the type deploy.")
	case strings.Contains(lower, "key"):
		return sdk.AttributeError("keys", "Kadeploy cannot use the keys", said(err)+" Give public keys, or the address of a file with some.")
	}
	return sdk.Error("Kadeploy refuses the deployment", said(err))
}

// short lists nodes for people, without their domain.
func short(nodes []string) string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i], _, _ = strings.Cut(n, ".")
	}
	return strings.Join(names, ", ")
}
