package g5k

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/providers/g5k/api"
)

// Job is nodes of a site, for a time.
type Job struct {
	Site           string   `nxc:"site,required,replace" doc:"Site, such as grenoble."`
	Nodes          int64    `nxc:"nodes,optional,replace" doc:"How many nodes. Either this or resources."`
	Resources      string   `nxc:"resources,optional,replace" doc:"What to reserve, in OAR's own language and without walltime, such as {cluster='dahu'}/nodes=2+{type='kavlan'}/vlan=1."`
	Cluster        string   `nxc:"cluster,optional,replace" doc:"Cluster that all nodes are of."`
	Walltime       string   `nxc:"walltime,optional,default=1h" doc:"For how long, as 1h30m or 1:30:00. A longer one is asked for while the job runs; for a shorter one it is replaced."`
	Queue          string   `nxc:"queue,optional,replace" doc:"Queue: default, production, besteffort, or another of the site's."`
	Types          []string `nxc:"types,optional,replace" doc:"Types of the job, such as deploy, exotic or night."`
	Properties     string   `nxc:"properties,optional,replace" doc:"What the nodes must be like, in OAR's SQL, such as memnode >= 131072."`
	Reservation    string   `nxc:"reservation,optional,replace" doc:"Start at this date, in the time of Paris, such as 2026-12-01 08:00; now is one, too. OAR refuses when that is not possible."`
	StartAfter     string   `nxc:"start_after,optional,replace" doc:"Do not start before this date. Unlike a reservation the job may then wait for its turn."`
	Project        string   `nxc:"project,optional,replace" doc:"Project on whose account it is."`
	Name           string   `nxc:"name,optional,replace" doc:"What people call it; by default its address. A part of job_name."`
	Existing       int64    `nxc:"existing,optional,replace" doc:"Number of a job that is there already: it is used, and left alone in the end."`
	DeleteExisting bool     `nxc:"delete_existing,optional" doc:"Delete the existing job in the end as if it were ours."`

	UID           int64    `nxc:"uid,computed" doc:"OAR's number of the job."`
	JobName       string   `nxc:"job_name,computed" doc:"OAR's name of the job, by which it is found again. No other job has it."`
	AssignedNodes []string `nxc:"assigned_nodes,computed" doc:"The nodes, in natural order."`
	StartedAt     string   `nxc:"started_at,computed" doc:"When it began, in UTC."`
	EndsAt        string   `nxc:"ends_at,computed" doc:"When its walltime ends, in UTC."`
	State         string   `nxc:"state,computed" doc:"OAR's word for how it is: running, or waiting."`
	CoreHours     float64  `nxc:"core_hours,computed" doc:"What it costs at most, where that can be told: cores times hours."`
}

// jobs handles g5k_job.
type jobs struct{ *testbed }

var (
	_ sdk.Handler[Job]   = jobs{}
	_ sdk.Updater[Job]   = jobs{}
	_ sdk.Planner[Job]   = jobs{}
	_ sdk.Validator[Job] = jobs{}
	_ sdk.Importer[Job]  = jobs{}
)

// Create submits the job and waits until it has its nodes.
func (j jobs) Create(ctx context.Context, op sdk.Operation, want *Job) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if want.Existing != 0 {
		return j.join(ctx, op, want)
	}
	asked, err := j.submission(op, *want)
	if err != nil {
		return err
	}
	op.Phase("submitting the job")
	want.JobName = asked.Name
	// From here on there may be a job: whoever interrupts waits until it is known.
	through, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*j.client.Stale()+3*time.Minute)
	defer cancel()
	made, err := j.client.Waiting(op.Phase).Submit(through, want.Site, asked)
	if err != nil {
		if !api.Uncertain(err) {
			want.JobName = "" // there is none
		}
		return refusedJob(err, want)
	}
	want.observe(made)
	return j.await(ctx, op, want)
}

// submission is what is asked of OAR.
func (j jobs) submission(op sdk.Operation, want Job) (api.Submission, error) {
	walltime, err := parseWalltime(want.Walltime)
	if err != nil {
		return api.Submission{}, err
	}
	asked, err := json.Marshal(want.inputs())
	if err != nil {
		return api.Submission{}, err
	}
	marked, err := mark{UUID: op.UUID, Address: op.Address, Attempt: op.Attempt, Asked: asked}.condition()
	if err != nil {
		return api.Submission{}, err
	}
	s := api.Submission{
		Name: jobName(op, want.Name), Command: outlasts, Resources: want.asked() + ",walltime=" + oarWalltime(walltime),
		Types: slices.Clone(want.Types), Queue: want.Queue, Project: want.Project, Properties: joined(want.properties(), marked),
		// What a job that only sleeps has to say is of no use in one's home.
		Stdout: "/dev/null", Stderr: "/dev/null",
	}
	if want.Reservation != "" && want.Reservation != "now" {
		at, err := parseDate("reservation", want.Reservation)
		if err != nil {
			return api.Submission{}, err
		}
		s.Reservation = oarTime(at)
	} else if want.Reservation != "" {
		s.Reservation = want.Reservation
	}
	if want.StartAfter != "" {
		at, err := parseDate("start_after", want.StartAfter)
		if err != nil {
			return api.Submission{}, err
		}
		s.Types = append(s.Types, "postpone="+oarTime(at))
	}
	return s, nil
}

// inputs are the job without what the world decided.
func (w Job) inputs() Job {
	return Job{
		Site: w.Site, Nodes: w.Nodes, Resources: w.Resources, Cluster: w.Cluster, Walltime: w.Walltime, Queue: w.Queue,
		Types: w.Types, Properties: w.Properties, Reservation: w.Reservation, StartAfter: w.StartAfter, Project: w.Project,
		Name: w.Name, CoreHours: w.CoreHours,
	}
}

// asked is what to reserve, in OAR's language.
func (w *Job) asked() string {
	if w.Resources != "" {
		return w.Resources
	}
	return fmt.Sprintf("nodes=%d", max(1, w.Nodes))
}

// joined is one condition of two, of which the first may be empty.
func joined(a, b string) string {
	if a == "" {
		return b
	}
	return fmt.Sprintf("(%s) AND %s", a, b)
}

// properties are the cluster and what else the nodes must be like.
func (w *Job) properties() string {
	switch {
	case w.Cluster == "":
		return w.Properties
	case w.Properties == "":
		return fmt.Sprintf("cluster='%s'", w.Cluster)
	}
	return fmt.Sprintf("cluster='%s' AND (%s)", w.Cluster, w.Properties)
}

// observe takes over what OAR says of the job.
func (w *Job) observe(seen *api.Job) {
	w.UID, w.State = seen.UID, seen.State
	if seen.Name != "" {
		w.JobName = seen.Name
	}
	w.AssignedNodes = nodesOf(seen.AssignedNodes)
	w.StartedAt, w.EndsAt = stamp(seen.StartedAt), ""
	if seen.StartedAt > 0 {
		w.EndsAt = stamp(seen.StartedAt + seen.Walltime)
	}
}

// nodesOf sorts names of nodes, each once.
func nodesOf(names []string) []string {
	names = slices.Clone(names)
	api.SortNodes(names)
	return slices.Compact(names)
}

// join takes over a job that somebody else made.
func (j jobs) join(ctx context.Context, op sdk.Operation, want *Job) error {
	op.Phase(fmt.Sprintf("looking at job %d", want.Existing))
	seen, err := j.client.Waiting(op.Phase).Job(ctx, want.Site, want.Existing)
	if err != nil {
		return noSuchJob(err, want)
	}
	if err := j.usable(seen, want); err != nil {
		return err
	}
	want.observe(seen)
	return j.await(ctx, op, want)
}

// usable refuses jobs that cannot serve as an existing one.
func (j jobs) usable(seen *api.Job, want *Job) error {
	if owner := seen.Owner(); owner != "" && owner != j.client.User() {
		return sdk.AttributeError("existing", fmt.Sprintf("Job %d is of another user", seen.UID),
			fmt.Sprintf("It belongs to %s, and its nodes accept nobody else. Name one of your own (oarstat -u), or leave existing out.", owner))
	}
	if seen.Ended() {
		return sdk.AttributeError("existing", fmt.Sprintf("Job %d has ended", seen.UID),
			fmt.Sprintf("At %s, %s. Name one that runs, or leave existing out.", want.Site, endOf(seen)))
	}
	return nil
}

// await waits until the job has its nodes, and shows when OAR expects that.
// Whoever interrupts it finds the job again: it waits on, and so does the next
// apply.
func (j jobs) await(ctx context.Context, op sdk.Operation, want *Job) error {
	client := j.client.Waiting(op.Wait)
	submitted := time.Now()
	err := client.Poll(ctx, func() (bool, error) {
		seen, err := client.Job(ctx, want.Site, want.UID)
		if api.Missing(err) && time.Since(submitted) < client.Stale() {
			return false, nil // too new to be seen
		}
		if err != nil {
			return false, err
		}
		if seen.Ended() {
			want.UID, want.JobName, want.State = 0, "", ""
			return false, endedEarly(seen, want)
		}
		want.observe(seen)
		if seen.Running() && len(seen.AssignedNodes) > 0 {
			return true, nil
		}
		op.Wait(waitingFor(seen, client.Now()))
		return false, nil
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) && want.UID != 0:
		return sdk.Warn(fmt.Sprintf("Job %d goes on waiting for its nodes", want.UID),
			fmt.Sprintf("It stays in the queue at %s, and the state knows it: nxc apply waits on, nxc destroy deletes it.", want.Site))
	}
	return explainUnlessSaid(err, fmt.Sprintf("read job %d at %s", want.UID, want.Site))
}

// explainUnlessSaid leaves alone what is a diagnostic already.
func explainUnlessSaid(err error, doing string) error {
	var f *api.Failure
	if errors.As(err, &f) {
		return explain(err, doing)
	}
	return err
}

// waitingFor is the phase of a job that waits.
func waitingFor(seen *api.Job, now time.Time) string {
	text := fmt.Sprintf("job %d is %s", seen.UID, seen.State)
	if seen.State == "waiting" {
		text = fmt.Sprintf("job %d waits for its nodes", seen.UID)
	}
	if seen.ScheduledAt > 0 && !seen.Running() {
		at := time.Unix(seen.ScheduledAt, 0)
		text += ", expected at " + clock(at, now)
		if left := at.Sub(now); left > time.Minute {
			text += ", in " + span(left.Truncate(time.Minute))
		}
	}
	return text
}

// Read looks at the job. One that ended is gone.
func (j jobs) Read(ctx context.Context, op sdk.Operation, have *Job) (bool, error) {
	seen, err := j.seek(ctx, have)
	switch {
	case err != nil:
		return false, explain(err, fmt.Sprintf("read job %d at %s", have.UID, have.Site))
	case seen == nil && have.UID != 0:
		return false, sdk.Gone(fmt.Sprintf("OAR at %s does not know job %d", have.Site, have.UID))
	case seen == nil:
		return false, nil
	case seen.Ended():
		return false, sdk.Gone(endOf(seen))
	}
	have.observe(seen)
	return true, nil
}

// seek returns the job that have stands for; nil when there is none.
func (j jobs) seek(ctx context.Context, have *Job) (*api.Job, error) {
	if have.UID == 0 && have.JobName == "" {
		return nil, nil
	}
	if have.UID == 0 { // its submission was not answered
		return j.client.JobNamed(ctx, have.Site, have.JobName)
	}
	seen, err := j.client.Job(ctx, have.Site, have.UID)
	if api.Missing(err) {
		return nil, nil
	}
	return seen, err
}

// Update waits for nodes, and asks for a longer walltime.
func (j jobs) Update(ctx context.Context, op sdk.Operation, have Job, want *Job) error {
	want.UID, want.JobName = have.UID, have.JobName
	if err := j.await(ctx, op, want); err != nil {
		return err
	}
	return j.extend(ctx, op, want)
}

// extend asks OAR for the walltime that is wanted, and waits for its answer.
func (j jobs) extend(ctx context.Context, op sdk.Operation, want *Job) error {
	walltime, err := parseWalltime(want.Walltime)
	if err != nil || want.Existing != 0 {
		return err
	}
	client := j.client.Waiting(op.Phase)
	seen, err := client.Job(ctx, want.Site, want.UID)
	if err != nil {
		return explain(err, fmt.Sprintf("read job %d at %s", want.UID, want.Site))
	}
	if seen.Walltime >= int64(walltime/time.Second) {
		want.observe(seen)
		return nil
	}
	op.Phase("asking for a longer walltime")
	if err := client.SetWalltime(ctx, want.Site, want.UID, oarWalltime(walltime)); err != nil {
		return refusedWalltime(err, want)
	}
	err = client.Poll(ctx, func() (bool, error) {
		// In this order: once a wish is seen to be gone, the job, read after
		// that, tells whether it was granted.
		change, err := client.JobWalltime(ctx, want.Site, want.UID)
		if err != nil {
			return false, err
		}
		seen, err := client.Job(ctx, want.Site, want.UID)
		if err != nil {
			return false, err
		}
		if seen.Ended() {
			return false, endedEarly(seen, want)
		}
		want.observe(seen)
		if seen.Walltime >= int64(walltime/time.Second) {
			return true, nil
		}
		if noChange(change.Pending) {
			return false, notGranted(seen, change, want)
		}
		op.Phase(fmt.Sprintf("waiting for a longer walltime (%s more)", strings.TrimPrefix(change.Pending, "+")))
		return false, nil
	})
	return explainUnlessSaid(err, fmt.Sprintf("extend job %d at %s", want.UID, want.Site))
}

// noChange reports whether OAR's word for a change means none.
func noChange(text string) bool { return strings.Trim(text, "+-0: ") == "" }

// Delete ends the job and waits until OAR has seen that.
func (j jobs) Delete(ctx context.Context, op sdk.Operation, have *Job) error {
	if have.Existing != 0 && !have.DeleteExisting {
		op.Note(fmt.Sprintf("job %d goes on: nxc did not make it", have.UID))
		return nil
	}
	client := j.client.Waiting(op.Phase)
	seen, err := j.seek(ctx, have)
	if err != nil {
		return explain(err, fmt.Sprintf("read job %d at %s", have.UID, have.Site))
	}
	if seen == nil || seen.Over() {
		return nil
	}
	op.Phase(fmt.Sprintf("deleting job %d", seen.UID))
	if !seen.Ended() {
		if err := client.DeleteJob(ctx, have.Site, seen.UID); err != nil {
			return explain(err, fmt.Sprintf("delete job %d at %s", seen.UID, have.Site))
		}
	}
	err = client.Poll(ctx, func() (bool, error) {
		now, err := client.Job(ctx, have.Site, seen.UID)
		return api.Missing(err) || err == nil && now.Over(), notMissing(err)
	})
	return explainUnlessSaid(err, fmt.Sprintf("see job %d end at %s", seen.UID, have.Site))
}

func notMissing(err error) error {
	if api.Missing(err) {
		return nil
	}
	return err
}

// Find lists the deployment's jobs at all sites.
func (j jobs) Find(ctx context.Context, op sdk.Operation) ([]sdk.Found[Job], error) {
	sites, err := j.client.Sites(ctx)
	if err != nil {
		return nil, explain(err, "ask Grid'5000 for its sites")
	}
	var found []sdk.Found[Job]
	for _, site := range sites {
		list, err := j.client.Jobs(ctx, site.UID)
		if err != nil {
			return nil, explain(err, "list your jobs at "+site.UID)
		}
		for i := range list {
			m := markOf(&list[i])
			if m == nil || m.UUID != op.UUID || list[i].Ended() {
				continue
			}
			// A listing may be old: the job itself says what it is.
			seen, err := j.client.Job(ctx, site.UID, list[i].UID)
			if api.Missing(err) || err == nil && seen.Ended() {
				continue
			} else if err != nil {
				return nil, explain(err, fmt.Sprintf("read job %d at %s", list[i].UID, site.UID))
			}
			f := sdk.Found[Job]{Address: m.Address, Attempt: m.Attempt, Complete: true}
			if err := json.Unmarshal(m.Asked, &f.Object); err != nil {
				return nil, fmt.Errorf("read the mark of job %d: %w", seen.UID, err)
			}
			f.Object.Site = site.UID
			f.Object.observe(seen)
			found = append(found, f)
		}
	}
	slices.SortFunc(found, func(a, b sdk.Found[Job]) int { return strings.Compare(a.Attempt, b.Attempt) })
	return found, nil
}

// Import takes SITE/NUMBER. The job is used, and left alone in the end.
func (j jobs) Import(ctx context.Context, _ sdk.Operation, id string) (*Job, error) {
	site, number, ok := strings.Cut(id, "/")
	var uid int64
	if _, err := fmt.Sscan(number, &uid); !ok || err != nil {
		return nil, sdk.Error(fmt.Sprintf("%q is not a job", id), "Write it as SITE/NUMBER, such as lyon/123456.")
	}
	seen, err := j.client.Job(ctx, site, uid)
	if api.Missing(err) {
		return nil, nil
	} else if err != nil {
		return nil, explain(err, fmt.Sprintf("read job %d at %s", uid, site))
	}
	have := &Job{Site: site, Existing: uid, Walltime: oarWalltime(time.Duration(seen.Walltime) * time.Second)}
	if err := j.usable(seen, have); err != nil {
		return nil, err
	}
	have.observe(seen)
	return have, nil
}
