package g5k

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/providers/g5k/api"
)

// Deployment is an environment on nodes of a job.
type Deployment struct {
	Site        string   `nxc:"site,required,replace" doc:"Site, such as grenoble."`
	Job         int64    `nxc:"job,required,replace" doc:"Number of the job that has the nodes: g5k_job.X.uid. Its types must hold deploy."`
	Nodes       []string `nxc:"nodes,optional,computed,replace" doc:"Nodes to deploy; by default all of the job's."`
	Environment string   `nxc:"environment,required" doc:"Name of an environment, NAME@USER, or the address of a description: g5k_image.X.environment_url. Another one makes another deployment; with node blocks it is for those that are deployed from then on."`
	Version     int64    `nxc:"version,optional,replace" doc:"Version of the environment; by default the newest."`
	Arch        string   `nxc:"arch,optional,replace" doc:"Architecture of the environment: x86_64, ppc64le or aarch64."`
	Partition   string   `nxc:"partition,optional,replace" doc:"Label of the partition to deploy on."`
	Keys        []string `nxc:"keys,optional,replace" doc:"Public keys that may log in as root; the address of a file with some is one, too. By default the key of the composition's deployment."`
	Vlan        int64    `nxc:"vlan,optional,replace" doc:"KaVLAN network that the nodes boot into: g5k_vlan.X.id."`
	Spares      int64    `nxc:"spares,optional" doc:"How many of the nodes, the last ones, are kept back to take the place of those that fail."`
	MinNodes    int64    `nxc:"min_nodes,optional" doc:"How many nodes are enough; by default all that are not spares."`
	Retries     *int64   `nxc:"retries,optional,default=1" doc:"How often nodes that failed are tried again."`
	Triggers    []string `nxc:"triggers,optional,replace" doc:"Whatever else makes another deployment when it changes."`

	Carriers []Carrier         `nxc:"node,block" doc:"What each node is to carry, where that is not the same for all: one that is told something else is deployed again, and the others are left alone. Nodes that have no such block are spares."`
	Again    map[string]string `nxc:"again,optional,computed" doc:"Names of node blocks to deploy again although they are told nothing else, each with what tells this time from others."`
	Avoid    []string          `nxc:"avoid,optional,computed" doc:"Nodes that are taken only where there is no other, since they were lost."`

	UID      string   `nxc:"uid,computed" doc:"Kadeploy's identifier of the deployment, of the last one when nodes were tried again. It stays when single nodes are deployed again."`
	Latest   string   `nxc:"latest,computed" doc:"Kadeploy's identifier of what it did last."`
	Hosts    []string `nxc:"hosts,computed" doc:"The nodes that the node blocks have, in their order."`
	Deployed []string `nxc:"deployed,computed" doc:"Nodes that have the environment, in natural order."`
	Failed   []string `nxc:"failed,computed" doc:"Nodes that failed."`
}

func (v *Deployment) retries() int {
	if v.Retries == nil {
		return 1
	}
	return int(*v.Retries)
}

// Carrier is a node of a composition, before it has a host.
type Carrier struct {
	Name   string `nxc:"name,required" doc:"Its name in the composition."`
	System string `nxc:"system,required" doc:"Store path of the system that it is to run, from the image."`
}

// deployments handles g5k_deployment. What is deployed ends with the job, so
// nothing can be left behind by a deployment that was cut short: a new one of
// the same nodes finds it under way.
type deployments struct{ *testbed }

var (
	_ sdk.Handler[Deployment]   = deployments{}
	_ sdk.Updater[Deployment]   = deployments{}
	_ sdk.Planner[Deployment]   = deployments{}
	_ sdk.Validator[Deployment] = deployments{}
)

// Create deploys, tries again what failed, and takes spares for the rest.
func (d deployments) Create(ctx context.Context, op sdk.Operation, want *Deployment) error {
	job, err := d.runningJob(ctx, op, want.Site, want.Job)
	if err != nil {
		return err
	}
	if len(want.Nodes) == 0 {
		want.Nodes = nodesOf(job.AssignedNodes)
	}
	if err := deployable(job, want); err != nil {
		return err
	}
	r := &rollout{deployments: d, op: op, want: want, results: map[string]api.NodeResult{}}
	if err := r.clear(ctx, want.Nodes); err != nil {
		return err
	}
	enough := len(want.Nodes) - int(want.Spares)
	if len(want.Carriers) > 0 {
		enough = len(want.Carriers)
	}
	hosts, err := r.roll(ctx, want.Nodes[:enough], want.Nodes[enough:])
	want.UID = want.Latest
	if err != nil {
		return err
	}
	if len(want.Carriers) > 0 {
		want.Hosts = hosts
	}
	return r.finish(enough)
}

// deployable refuses what Kadeploy would refuse later, less clearly.
func deployable(job *api.Job, want *Deployment) error {
	if !slices.Contains(job.Types, "deploy") {
		return sdk.AttributeError("job", fmt.Sprintf("Job %d may not deploy", job.UID), `Give it types = ["deploy"].`)
	}
	if int(want.Spares) >= len(want.Nodes) {
		return sdk.AttributeError("spares", fmt.Sprintf("All %d nodes are spares", len(want.Nodes)), "Reserve more nodes, or keep fewer back.")
	}
	if len(want.Carriers) > len(want.Nodes) {
		return sdk.AttributeError("node", fmt.Sprintf("%d nodes are too few for %d", len(want.Nodes), len(want.Carriers)), "Reserve more.")
	}
	for _, node := range want.Nodes {
		if !slices.Contains(job.AssignedNodes, node) {
			return sdk.AttributeError("nodes", fmt.Sprintf("%s is not a node of job %d", node, job.UID), fmt.Sprintf("The job has %s.", strings.Join(nodesOf(job.AssignedNodes), ", ")))
		}
	}
	return nil
}

// runningJob reads a job that is to be used now.
func (t *testbed) runningJob(ctx context.Context, op sdk.Operation, site string, uid int64) (*api.Job, error) {
	job, err := t.client.Waiting(op.Phase).Job(ctx, site, uid)
	switch {
	case api.Missing(err):
		return nil, sdk.AttributeError("job", fmt.Sprintf("There is no job %d at %s", uid, site), "Is it of another site?")
	case err != nil:
		return nil, explain(err, fmt.Sprintf("read job %d at %s", uid, site))
	case job.Ended():
		return nil, jobOver(job, site)
	case !job.Running():
		return nil, sdk.AttributeError("job", fmt.Sprintf("Job %d does not run yet", uid), fmt.Sprintf("It is %s. nxc apply waits for a job that the configuration makes.", job.State))
	}
	return job, nil
}

// jobOver says that a job ended under what was made in it.
func jobOver(job *api.Job, site string) error {
	return sdk.Error(fmt.Sprintf("Job %d is over", job.UID),
		fmt.Sprintf("At %s, %s. nxc apply reserves nodes again; give the job a longer walltime if it was too short.", site, endOf(job)))
}

// goneWith reports why what belongs to a job is gone: the job is.
func (t *testbed) goneWith(ctx context.Context, site string, uid int64) (string, error) {
	job, err := t.client.Job(ctx, site, uid)
	switch {
	case api.Missing(err):
		return fmt.Sprintf("OAR does not know job %d", uid), nil
	case err != nil:
		return "", explain(err, fmt.Sprintf("read job %d at %s", uid, site))
	case job.Ended():
		return fmt.Sprintf("job %d: %s", uid, endOf(job)), nil
	}
	return "", nil
}

// Read looks whether the job still has the nodes, and the deployment its place.
func (d deployments) Read(ctx context.Context, op sdk.Operation, have *Deployment) (bool, error) {
	reason, err := d.goneWith(ctx, have.Site, have.Job)
	if err != nil {
		return false, err
	}
	if reason != "" {
		return false, sdk.Gone(reason)
	}
	if have.UID == "" {
		return false, nil
	}
	if len(have.Carriers) > 0 {
		return true, nil // each node says for itself what it carries
	}
	seen, err := d.client.Deployment(ctx, have.Site, have.UID)
	switch {
	case api.Missing(err):
		return false, sdk.Gone("Kadeploy does not know it any more")
	case err != nil:
		return false, explain(err, "read deployment "+have.UID)
	case seen.Status == "canceled":
		return false, sdk.Gone("it was cancelled")
	}
	return true, nil
}

// Update deploys the nodes again that are to carry something else. How many are
// enough, and with what, matters only when some are deployed.
func (d deployments) Update(ctx context.Context, op sdk.Operation, have Deployment, want *Deployment) error {
	want.UID, want.Latest, want.Deployed, want.Failed = have.UID, have.Latest, have.Deployed, have.Failed
	m := moveOf(&have, want)
	if len(m.todo) == 0 {
		want.Hosts = m.hosts
		return nil
	}
	job, err := d.runningJob(ctx, op, want.Site, want.Job)
	if err != nil {
		return err
	}
	if err := deployable(job, want); err != nil {
		return err
	}
	hosts, spares := m.choose(want)
	if len(hosts) < len(m.todo) {
		return sdk.AttributeError("node", "The job has no node left for "+want.Carriers[m.todo[len(hosts)]].Name, "Reserve one more.")
	}
	r := &rollout{deployments: d, op: op, want: want, deployed: m.kept(), results: map[string]api.NodeResult{}}
	if err := r.clear(ctx, hosts); err != nil {
		return err
	}
	if hosts, err = r.roll(ctx, hosts, spares); err != nil {
		return err
	}
	for n, i := range m.todo {
		m.hosts[i] = hosts[n]
	}
	want.Hosts = m.hosts
	return r.finish(len(want.Carriers))
}

// Delete cancels what is under way. What was deployed stays on the nodes until
// their job ends.
func (d deployments) Delete(ctx context.Context, op sdk.Operation, have *Deployment) error {
	uid := have.Latest
	if uid == "" {
		uid = have.UID
	}
	if uid == "" {
		return nil
	}
	client := d.client.Waiting(op.Phase)
	seen, err := client.Deployment(ctx, have.Site, uid)
	if api.Missing(err) || err == nil && !seen.Active() {
		return nil
	}
	if err == nil {
		op.Phase("cancelling the deployment")
		err = d.cancel(ctx, client, have.Site, uid)
	}
	if err != nil {
		return explainUnlessSaid(err, "cancel deployment "+uid)
	}
	return nil
}

// cancel ends a deployment and waits until it has.
func (d deployments) cancel(ctx context.Context, client *api.Client, site, uid string) error {
	if err := client.CancelDeployment(ctx, site, uid); err != nil {
		return err
	}
	return client.Poll(ctx, func() (bool, error) {
		now, err := client.Deployment(ctx, site, uid)
		return api.Missing(err) || err == nil && !now.Active(), notMissing(err)
	})
}

// Find finds nothing: see deployments.
func (d deployments) Find(context.Context, sdk.Operation) ([]sdk.Found[Deployment], error) {
	return nil, nil
}

// Plan looks whether there is such an environment, and says what is deployed
// again.
func (d deployments) Plan(ctx context.Context, _ sdk.Operation, prior *Deployment, p *sdk.Planned[Deployment]) error {
	v := &p.Value
	if prior != nil {
		planAgain(prior, p)
		return nil
	}
	if err := d.checkVlan(ctx, v, p.Unknown("site") || p.Unknown("vlan")); err != nil {
		return err
	}
	if !p.Unknown("environment") && isFile(v.Environment) {
		return d.checkEnvironmentFile(v.Site, v.Environment)
	}
	if p.Unknown("environment") || p.Unknown("site") || strings.Contains(v.Environment, "@") || isAddress(v.Environment) {
		return nil
	}
	if err := d.checkSite(ctx, "site", v.Site); err != nil {
		return err
	}
	list, err := d.client.Environments(ctx, v.Site, "")
	if err != nil {
		return explain(err, "list the environments of "+v.Site)
	}
	var names []string
	for _, e := range list {
		if e.Name == v.Environment || e.Alias == v.Environment {
			return nil
		}
		names = append(names, e.Name)
	}
	return sdk.AttributeError("environment", fmt.Sprintf("%s has no environment %q", v.Site, v.Environment), among(v.Environment, slices.Compact(names)))
}

// checkVlan refuses a network in which nodes of ours could not be reached.
func (d deployments) checkVlan(ctx context.Context, v *Deployment, unknown bool) error {
	if unknown || v.Vlan == 0 || len(v.Carriers) == 0 {
		return nil
	}
	seen, err := d.client.Vlan(ctx, v.Site, strconv.FormatInt(v.Vlan, 10))
	switch {
	case api.Missing(err):
		return sdk.AttributeError("vlan", fmt.Sprintf("%s has no network %d of KaVLAN's", v.Site, v.Vlan), "oarstat -fj JOB names the one that a job has.")
	case err != nil:
		return explain(err, fmt.Sprintf("read network %d of %s", v.Vlan, v.Site))
	case seen.Type == "kavlan-local":
		return sdk.AttributeError("vlan", fmt.Sprintf("Network %d of %s is a local one", v.Vlan, v.Site),
			"Nothing leads from the access machine to nodes in it. Reserve one of the type kavlan or kavlan-global.")
	}
	return nil
}

// planAgain says what becomes of a deployment that exists. Without node blocks
// all nodes carry the same, and another environment is another deployment.
func planAgain(prior *Deployment, p *sdk.Planned[Deployment]) {
	v := &p.Value
	if len(v.Carriers) == 0 || len(prior.Carriers) == 0 {
		if p.Unknown("environment") || v.Environment != prior.Environment || len(v.Carriers) != len(prior.Carriers) {
			p.Replace("environment", "")
		}
		return
	}
	m := moveOf(prior, v)
	v.Hosts = m.hosts
	if len(m.todo) > 0 {
		for _, name := range []string{"hosts", "deployed", "failed", "latest"} {
			p.SetUnknown(name)
		}
	}
}

func isAddress(text string) bool {
	return strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://")
}

// Validate checks what the schema cannot say.
func (d deployments) Validate(_ context.Context, config Deployment) plugins.Diagnostics {
	var diags plugins.Diagnostics
	for _, n := range []struct {
		name  string
		value int64
	}{{"spares", config.Spares}, {"min_nodes", config.MinNodes}, {"retries", int64(config.retries())}} {
		var more plugins.Diagnostics
		if n.value < 0 && errors.As(sdk.AttributeError(n.name, fmt.Sprintf("%d is less than nothing", n.value), "Give a number from 0 on."), &more) {
			diags = append(diags, more...)
		}
	}
	return diags
}
