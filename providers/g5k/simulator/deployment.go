package simulator

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/nixos-compose/nxc/providers/g5k/simulator/clock"
)

// deployment is one run of kadeploy: some nodes get an environment, each for
// itself. It is over when its time on the clock is, and the nodes are done.
type deployment struct {
	uid, user   string
	job         int
	site        *site
	nodes       []string
	environment string // as it was asked for
	image       image
	vlan        int
	created     time.Time
	updated     time.Time

	// Guarded by the site's lock.
	status  string
	result  map[string]outcome
	pending int // nodes that are not done
	due     bool
	timer   *clock.Event
}

// outcome is how it went on one node.
type outcome struct {
	State string // IN_PROGRESS, OK, KO
	Macro string // kadeploy's steps, where it went wrong
	Micro string
}

// The steps of a deployment, where a fault names none.
const (
	macroInstall = "BroadcastEnv"
	macroReboot  = "BootNewEnv"
)

// deploymentSubmission is the body of a request for a deployment.
type deploymentSubmission struct {
	Nodes       []string `json:"nodes"`
	Environment string   `json:"environment"`
	Key         string   `json:"key"`
	Version     any      `json:"version"`
	Arch        string   `json:"arch"`
	Vlan        any      `json:"vlan"`
}

// deploy begins a deployment, or says why not.
func (s *Simulator) deploy(t *site, user string, sub deploymentSubmission) (*deployment, error) {
	job, err := t.mayDeploy(user, sub.Nodes)
	if err != nil {
		return nil, err
	}
	env, err := s.loadEnvironment(t, user, sub)
	if err != nil {
		return nil, err
	}
	if env.keys, err = s.keys(sub.Key); err != nil {
		return nil, err
	}
	d := &deployment{
		uid: "D-" + uuid.NewString(), user: user, job: job, site: t, nodes: slices.Clone(sub.Nodes), environment: sub.Environment,
		image: env, created: s.clock.Now(), updated: s.clock.Now(), status: "processing", result: map[string]outcome{}, pending: len(sub.Nodes),
	}
	if sub.Vlan != nil {
		d.vlan = number(fmt.Sprint(sub.Vlan), 0)
	}
	for _, node := range d.nodes {
		d.result[node] = outcome{State: "IN_PROGRESS", Macro: "SetDeploymentEnv", Micro: "reboot"}
	}
	t.mu.Lock()
	t.deployments = append(t.deployments, d)
	for _, node := range d.nodes {
		if d.vlan > 0 {
			t.vlans[node] = d.vlan
		}
	}
	t.mu.Unlock()
	d.timer = s.clock.After(s.options.DeployTime, func() { d.advance(func() { d.due = true }) })
	for _, node := range d.nodes {
		s.work.Go(func() {
			o := s.install(d, node)
			d.advance(func() { d.result[node], d.pending = o, d.pending-1 })
		})
	}
	return d, nil
}

// mayDeploy checks that the nodes are a user's, in a job for deployments, and
// returns that job.
func (t *site) mayDeploy(user string, nodes []string) (int, error) {
	if len(nodes) == 0 {
		return 0, badRequest("The deployment you are trying to submit is not valid: Nodes must be a non-empty list of node FQDN")
	}
	job := 0
	var bad []string
	for _, node := range nodes {
		j, ok := t.owner(node)
		if !ok || j.User != user || !j.Has("deploy") {
			bad = append(bad, node)
			continue
		}
		job = j.ID
	}
	if len(bad) > 0 {
		return 0, failure{500, "Cannot launch deployment: Invalid options or invalid rights on nodes " + strings.Join(bad, ", ")}
	}
	seen := map[string]bool{}
	for _, node := range nodes {
		if seen[node] {
			return 0, badRequest("The deployment you are trying to submit is not valid: %s is there twice", node)
		}
		seen[node] = true
	}
	return job, nil
}

// advance changes a deployment, and ends it when all is done.
func (d *deployment) advance(change func()) {
	d.site.mu.Lock()
	defer d.site.mu.Unlock()
	if d.status != "processing" {
		return
	}
	change()
	d.updated = d.site.sim.clock.Now()
	if d.due && d.pending == 0 {
		d.status = "terminated"
	}
}

// jobEnded ends a deployment whose job is over. The caller holds the lock.
func (d *deployment) jobEnded(job int) {
	if d.job == job && d.status == "processing" {
		d.status = "error"
		d.site.sim.clock.Cancel(d.timer)
	}
}

// cancel stops a deployment. Its nodes stay as they happen to be.
func (d *deployment) cancel() {
	d.site.mu.Lock()
	defer d.site.mu.Unlock()
	if d.status == "processing" {
		d.status = "canceled"
		d.site.sim.clock.Cancel(d.timer)
	}
}

// install puts the environment on one node, or does what a fault says.
func (s *Simulator) install(d *deployment, node string) outcome {
	h := s.host(node)
	if f, ok := s.faults.takeDeployment(node); ok {
		h.off()
		return f
	}
	h.off()
	if err := h.deploy(s.ctx, d); err != nil {
		s.log.Info("deployment failed on a node", "deployment", d.uid, "node", node, "error", err)
		return outcome{State: "KO", Macro: macroReboot, Micro: "wait_reboot"}
	}
	return outcome{State: "OK"}
}

// tell tells a deployment as the API does. The results of nodes are told while
// it runs as far as they are known; its answer to the request has none.
func (d *deployment) tell(r *request, withResult bool) object {
	d.site.mu.Lock()
	defer d.site.mu.Unlock()
	o := object{
		"uid": d.uid, "site_uid": d.site.Name, "user_uid": d.user, "environment": d.environment, "status": d.status, "nodes": d.nodes,
		"created_at": d.created.Unix(), "updated_at": d.updated.Unix(), "links": []object{
			r.link("self", itemType, "sites", d.site.Name, "deployments", d.uid), r.link("parent", itemType, "sites", d.site.Name),
		},
	}
	if d.vlan > 0 {
		o["vlan"] = d.vlan
	}
	if !withResult {
		return o
	}
	results := object{}
	for _, node := range slices.Sorted(maps.Keys(d.result)) {
		res := d.result[node]
		if !d.due && d.status == "processing" && res.State != "IN_PROGRESS" {
			res = outcome{State: "IN_PROGRESS", Macro: macroInstall, Micro: "send_environment"}
		}
		results[node] = object{"state": res.State, "macro": nullable(res.Macro), "micro": nullable(res.Micro)}
	}
	o["result"] = results
	return o
}

func nullable(text string) any {
	if text == "" {
		return nil
	}
	return text
}
