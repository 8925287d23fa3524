package g5k

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/providers/g5k/api"
	"github.com/nixos-compose/nxc/providers/g5k/simulator"
	"github.com/nixos-compose/nxc/providers/g5k/simulator/oar"
)

// newTestbed is configured for a simulator, and in a hurry.
func newTestbed(t *testing.T, s *simulator.Simulator, c Config) (*testbed, error) {
	t.Helper()
	bed := &testbed{
		getenv: func(string) string { return "" },
		pace:   api.Pace{First: 20 * time.Millisecond, Most: 50 * time.Millisecond, Again: 10 * time.Millisecond, Stale: 800 * time.Millisecond},
	}
	c.API, c.Poll, c.KnownHosts = s.API(), "20ms", s.KnownHosts()
	gateway := s.Gateway()
	c.Gateway = &gateway
	_, err := bed.configure(t.Context(), c, plugins.Folders{State: t.TempDir(), Cache: t.TempDir()})
	return bed, err
}

func mustTestbed(t *testing.T, s *simulator.Simulator) *testbed {
	t.Helper()
	bed, err := newTestbed(t, s, Config{User: "jdoe", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	return bed
}

var attempts struct {
	sync.Mutex
	n int
}

// operation is one of a deployment of the test's.
func operation(t *testing.T) sdk.Operation {
	attempts.Lock()
	defer attempts.Unlock()
	attempts.n++
	return sdk.Operation{Operation: plugins.Operation{
		Address: `composition.c.lyon.g5k_job["job"]`, Deployment: "c::lyon", UUID: "0123456789abcdef0123456789abcdef", Attempt: fmt.Sprintf("%016x", attempts.n),
	}}
}

// message is what a user reads of an error.
func message(err error) string {
	var d plugins.Diagnostics
	if !errors.As(err, &d) {
		if err == nil {
			return ""
		}
		return err.Error()
	}
	var parts []string
	for _, one := range d {
		parts = append(parts, one.Summary+"\n"+one.Detail)
	}
	return strings.Join(parts, "\n")
}

// contains complains when a message lacks words.
func contains(t *testing.T, err error, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(message(err), w) {
			t.Errorf("the message lacks %q:\n%s", w, message(err))
		}
	}
}

// TestFaultsMakeNoSecondJob submits while something goes wrong that passes.
func TestFaultsMakeNoSecondJob(t *testing.T) {
	t.Parallel()
	tests := map[string][]simulator.Fault{
		"cut after it was made":      {{Method: "POST", Path: "/jobs", Cut: true, Times: 1}},
		"truncated":                  {{Method: "POST", Path: "/jobs", Truncate: true, Times: 1}},
		"a proxy's page":             {{Method: "POST", Path: "/jobs", Status: 502, Times: 1}},
		"too often":                  {{Path: "/jobs", Status: 429, Body: "Too many requests", Times: 3}},
		"cut, and then old listings": {{Method: "POST", Path: "/jobs", Cut: true, Times: 1}, {Path: "/jobs", Stale: true}},
		"everything twice":           {{Path: "/jobs", Cut: true, Times: 2}},
		"answers cut short":          {{Method: "GET", Path: "/jobs/", Truncate: true, Times: 2}, {Method: "GET", Path: "/jobs/", Status: 502, Times: 2}},
	}
	for name, faults := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSimulator(t, simulator.Options{Speed: 200})
			j := jobs{mustTestbed(t, s)}
			if _, err := j.client.JobNamed(t.Context(), "grenoble", "primes the listing"); err != nil {
				t.Fatal(err)
			}
			for _, f := range faults {
				s.Inject(f)
			}
			op, want := operation(t), Job{Site: "grenoble", Nodes: 2, Walltime: "20h"}
			if err := j.Create(t.Context(), op, &want); err != nil {
				t.Fatalf("%s", message(err))
			}
			s.ClearFaults()
			if n := len(s.Jobs("grenoble")); n != 1 {
				t.Errorf("%d jobs were made, want 1", n)
			}
			if want.State != "running" || len(want.AssignedNodes) != 2 || want.UID == 0 {
				t.Errorf("got %+v", want)
			}
			found, err := j.Find(t.Context(), op)
			if err != nil || len(found) != 1 || found[0].Object.UID != want.UID || found[0].Attempt != op.Attempt || found[0].Address != op.Address {
				t.Errorf("found %+v, %v", found, err)
			}
			if err := j.Delete(t.Context(), op, &want); err != nil {
				t.Errorf("%s", message(err))
			}
			if left := unfinishedJobs(s); len(left) > 0 {
				t.Errorf("left %v", left)
			}
		})
	}
}

// TestTheNetworkIsGoneForAWhile takes it away while a job is waited for.
func TestTheNetworkIsGoneForAWhile(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, simulator.Options{})
	if err := s.StallJobs("grenoble", true); err != nil {
		t.Fatal(err)
	}
	j := jobs{mustTestbed(t, s)}
	var want Job
	done := make(chan error, 1)
	go func() {
		want = Job{Site: "grenoble", Nodes: 2, Walltime: "20h"}
		done <- j.Create(t.Context(), operation(t), &want)
	}()
	await(t, "the job", func() bool { return len(s.Jobs("grenoble")) == 1 })
	s.Outage(true)
	time.Sleep(300 * time.Millisecond) // a while in which it is asked for in vain
	s.Outage(false)
	if err := s.StallJobs("grenoble", false); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || want.State != "running" {
		t.Errorf("got %+v, %s", want, message(err))
	}
}

// TestRefusals shows what OAR's own words become.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, simulator.Options{})
	j := jobs{mustTestbed(t, s)}
	tests := map[string]struct {
		job    Job
		refuse string
		status int
		want   []string
	}{
		"more nodes than there are": {job: Job{Nodes: 60}, want: []string{"grenoble does not have what is asked for", "There are not enough resources for your request", "data g5k_status"}},
		"unknown type":              {job: Job{Nodes: 1, Types: []string{"deploi"}}, want: []string{"OAR does not know a type of the job", "unknown job type: deploi"}},
		"reservation in the past":   {job: Job{Nodes: 1, Reservation: "2001-01-01 08:00"}, want: []string{"The reservation is in the past", "Reservation too old"}},
		"a walltime":                {job: Job{Nodes: 1}, status: 400, refuse: "[ADMISSION RULE] Walltime too big for this job: it is limited to 2:00:00", want: []string{"OAR refuses the walltime", "limited to 2:00:00"}},
		"a quota":                   {job: Job{Nodes: 1}, status: 400, refuse: "[ADMISSION RULE] Quota: you have used what the usage policy gives", want: []string{"The job is beyond what you may use", "usagepolicycheck"}},
		"a maintenance":             {job: Job{Nodes: 1}, status: 400, refuse: "[ADMISSION RULE] maintenance in progress", want: []string{"There is a maintenance at grenoble"}},
		"a rule that died":          {job: Job{Nodes: 1}, status: 500, refuse: "[ADMISSION RULE] syntax error at (eval 12)", want: []string{"syntax error at (eval 12)"}},
	}
	for name, tt := range tests {
		if tt.refuse != "" {
			if err := s.RefuseJobs("grenoble", tt.status, tt.refuse); err != nil {
				t.Fatal(err)
			}
		}
		want := tt.job
		want.Site, want.Walltime = "grenoble", "1h"
		err := j.Create(t.Context(), operation(t), &want)
		if err == nil {
			t.Errorf("%s: it was not refused", name)
		}
		contains(t, err, tt.want...)
		if want.UID != 0 || want.JobName != "" {
			t.Errorf("%s: left %+v", name, want)
		}
	}
	if left := unfinishedJobs(s); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// TestEndsOfJobs reads jobs that ended, each in its way.
func TestEndsOfJobs(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, simulator.Options{})
	j := jobs{mustTestbed(t, s)}
	create := func(walltime string) *Job {
		want := &Job{Site: "grenoble", Nodes: 1, Walltime: walltime}
		if err := j.Create(t.Context(), operation(t), want); err != nil {
			t.Fatal(message(err))
		}
		return want
	}
	gone := func(have *Job) (reason string) {
		await(t, "the job's end", func() bool {
			exists, err := j.Read(t.Context(), operation(t), have)
			if exists {
				return false
			}
			if err != nil {
				reason = err.Error()
			}
			return true
		})
		return reason
	}
	killed := create("20h")
	if err := s.KillJob("grenoble", int(killed.UID)); err != nil {
		t.Fatal(err)
	}
	if reason := gone(killed); !strings.HasPrefix(reason, "it was deleted") {
		t.Errorf("a job that was killed: %q", reason)
	}
	if reason := gone(create("2m")); !strings.HasPrefix(reason, "its walltime ended at ") {
		t.Errorf("a job whose walltime ended: %q", reason)
	}
	if err := s.StallJobs("grenoble", true); err != nil {
		t.Fatal(err)
	}
	waits := &Job{Site: "grenoble", Nodes: 1, Walltime: "20h"}
	done := make(chan error, 1)
	go func() { done <- j.Create(t.Context(), operation(t), waits) }()
	await(t, "the third job", func() bool { return len(s.Jobs("grenoble")) == 3 })
	id := slices.MaxFunc(s.Jobs("grenoble"), func(a, b oar.Job) int { return a.ID - b.ID }).ID
	if err := s.KillJob("grenoble", id); err != nil {
		t.Fatal(err)
	}
	contains(t, <-done, fmt.Sprintf("Job %d ended before it was ready", id), "it was deleted", "nxc apply submits another")
	if waits.UID != 0 || waits.JobName != "" {
		t.Errorf("it left %+v", waits)
	}
}

// TestInterruptedWhileWaiting keeps the job, and the next apply waits on.
func TestInterruptedWhileWaiting(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, simulator.Options{})
	if err := s.StallJobs("grenoble", true); err != nil {
		t.Fatal(err)
	}
	j := jobs{mustTestbed(t, s)}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		await(t, "the job", func() bool { return len(s.Jobs("grenoble")) == 1 })
		cancel()
	}()
	op, have := operation(t), Job{Site: "grenoble", Nodes: 1, Walltime: "20h"}
	err := j.Create(ctx, op, &have)
	var d plugins.Diagnostics
	if !errors.As(err, &d) || d.HasErrors() || have.UID == 0 || have.State == "running" {
		t.Fatalf("got %+v, %s", have, message(err))
	}
	contains(t, err, fmt.Sprintf("Job %d goes on waiting for its nodes", have.UID), "nxc apply waits on")
	if err := s.StallJobs("grenoble", false); err != nil {
		t.Fatal(err)
	}
	want := have
	if err := j.Update(t.Context(), op, have, &want); err != nil || want.State != "running" || want.UID != have.UID {
		t.Errorf("got %+v, %s", want, message(err))
	}
	if n := len(s.Jobs("grenoble")); n != 1 {
		t.Errorf("%d jobs were made, want 1", n)
	}
}

// TestExistingJobs uses jobs that are there, and leaves them.
func TestExistingJobs(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, simulator.Options{})
	j := jobs{mustTestbed(t, s)}
	theirs, err := s.SubmitJob("grenoble", oar.Submission{User: "other", Resources: "nodes=1,walltime=20:00:00", Command: "sleep 1d"})
	if err != nil {
		t.Fatal(err)
	}
	ours := newJob(t, s, api.Submission{Resources: "nodes=1,walltime=20:00:00", Command: "sleep 1d"})
	contains(t, j.Create(t.Context(), operation(t), &Job{Site: "grenoble", Existing: int64(theirs.ID), Walltime: "1h"}),
		"is of another user", "It belongs to other")
	contains(t, j.Create(t.Context(), operation(t), &Job{Site: "grenoble", Existing: 4711, Walltime: "1h"}), "There is no job 4711 at grenoble")
	want := &Job{Site: "grenoble", Existing: ours.UID, Walltime: "1h"}
	if err := j.Create(t.Context(), operation(t), want); err != nil || want.UID != ours.UID || len(want.AssignedNodes) != 1 {
		t.Errorf("got %+v, %s", want, message(err))
	}
	if err := j.Delete(t.Context(), operation(t), want); err != nil || len(unfinishedJobs(s)) != 2 {
		t.Errorf("%s; there are %v", message(err), unfinishedJobs(s))
	}
	want.DeleteExisting = true
	if err := j.Delete(t.Context(), operation(t), want); err != nil || len(unfinishedJobs(s)) != 1 {
		t.Errorf("%s; there are %v", message(err), unfinishedJobs(s))
	}
}

// TestNodesThatFail deploys on nodes of which some do not want.
func TestNodesThatFail(t *testing.T) {
	t.Parallel()
	_, public := newKey(t)
	s := newSimulator(t, simulator.Options{Keys: []ssh.PublicKey{public}, DeployTime: 10 * time.Second})
	d := deployments{mustTestbed(t, s)}
	job := newJob(t, s, api.Submission{Resources: "{cluster='dahu'}/nodes=4,walltime=100:00:00", Types: []string{"deploy"}, Command: "sleep 1d"})
	nodes := nodesOf(job.AssignedNodes)
	tests := []struct {
		name     string
		ko       map[int]int // how often a node fails
		want     Deployment
		deployed []string
		failed   []string
		message  []string
		warns    bool
	}{
		{name: "once", ko: map[int]int{0: 1, 2: 1}, deployed: nodes},
		{name: "twice, with a spare", ko: map[int]int{1: 2}, want: Deployment{Spares: 1}, deployed: []string{nodes[0], nodes[2], nodes[3]}, failed: nodes[1:2]},
		{name: "half of them", ko: map[int]int{0: 2, 3: 2}, deployed: nodes[1:3], failed: []string{nodes[0], nodes[3]},
			message: []string{"2 of 4 nodes could not be deployed", nodes[0] + " (in BroadcastEnv, send_environment)", "spares", "min_nodes"}},
		{name: "half of them are enough", ko: map[int]int{0: 2, 3: 2}, want: Deployment{MinNodes: 2}, deployed: nodes[1:3], failed: []string{nodes[0], nodes[3]},
			message: []string{"2 of 4 nodes could not be deployed", "The 2 others are enough"}, warns: true},
	}
	for _, tt := range tests {
		for i, times := range tt.ko {
			for range times {
				s.FailDeployment(nodes[i])
			}
		}
		want := tt.want
		want.Site, want.Job, want.Environment = "grenoble", job.UID, "debian11-min"
		err := d.Create(t.Context(), operation(t), &want)
		contains(t, err, tt.message...)
		var diags plugins.Diagnostics
		if errors.As(err, &diags) && diags.HasErrors() == tt.warns || err != nil != (tt.message != nil) {
			t.Errorf("%s: got %s", tt.name, message(err))
		}
		if !slices.Equal(want.Deployed, tt.deployed) || !slices.Equal(want.Failed, tt.failed) {
			t.Errorf("%s: deployed %v, failed %v; want %v, %v", tt.name, want.Deployed, want.Failed, tt.deployed, tt.failed)
		}
	}
	bad := Deployment{Site: "grenoble", Job: job.UID, Environment: "http://public.grenoble.grid5000.fr/~jdoe/none.yaml"}
	contains(t, d.Create(t.Context(), operation(t), &bad), "Kadeploy cannot use the environment")
	foreign := Deployment{Site: "grenoble", Job: job.UID, Environment: "debian11-min", Nodes: []string{"dahu-99.grenoble.grid5000.fr"}}
	contains(t, d.Create(t.Context(), operation(t), &foreign), "dahu-99.grenoble.grid5000.fr is not a node of job")
}

// TestTheWalltimeEndsDuringADeployment says so.
func TestTheWalltimeEndsDuringADeployment(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, simulator.Options{DeployTime: time.Hour})
	d := deployments{mustTestbed(t, s)}
	job := newJob(t, s, api.Submission{Resources: "{cluster='dahu'}/nodes=2,walltime=0:02:00", Types: []string{"deploy"}, Command: "sleep 1d"})
	want := Deployment{Site: "grenoble", Job: job.UID, Environment: "debian11-min"}
	contains(t, d.Create(t.Context(), operation(t), &want), fmt.Sprintf("Job %d is over", job.UID), "its walltime ended at", "longer walltime")
}

// TestWhoIsLetIn configures without, with wrong, and with right credentials.
func TestWhoIsLetIn(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, simulator.Options{})
	_, err := newTestbed(t, s, Config{})
	contains(t, err, "There are no credentials for Grid'5000", ".netrc", ".python-grid5000.yaml", "credentials_command")
	_, err = newTestbed(t, s, Config{User: "jdoe", Password: "wrong"})
	contains(t, err, "Grid'5000 does not accept the password of jdoe")
	if strings.Contains(message(err), "wrong") {
		t.Error("the message holds the password")
	}
	if _, err := newTestbed(t, s, Config{Command: []string{"printf", "secret\nlogin: jdoe\n"}}); err != nil {
		t.Error(message(err))
	}
	s.Outage(true)
	_, err = newTestbed(t, s, Config{User: "jdoe", Password: "secret"})
	contains(t, err, "Grid'5000 does not answer", "Is the network there?")
}

// TestASiteThatIsDown is told from one that does not exist.
func TestASiteThatIsDown(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, simulator.Options{})
	bed := mustTestbed(t, s)
	bed.client = bed.client.Impatient()
	if err := s.SetSiteDown("lyon", true); err != nil {
		t.Fatal(err)
	}
	contains(t, bed.readSite(t.Context(), &SiteData{Site: "lyon"}), "The interface of Grid'5000 is in trouble", "503 Service Unavailable", "run the command again in a while")
	contains(t, bed.readSite(t.Context(), &SiteData{Site: "lyons"}), `There is no site "lyons"`, "Did you mean lyon?")
	if err := bed.readSite(t.Context(), &SiteData{Site: "grenoble"}); err != nil {
		t.Error(message(err))
	}
}

// TestData reads all that is told of a site.
func TestData(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, simulator.Options{})
	bed := mustTestbed(t, s)
	site := SiteData{Site: "grenoble"}
	if err := bed.readSite(t.Context(), &site); err != nil || !slices.Equal(site.Clusters, []string{"dahu"}) || site.Name == "" {
		t.Errorf("got %+v, %s", site, message(err))
	}
	cluster := ClusterData{Site: "grenoble", Cluster: "dahu"}
	if err := bed.readCluster(t.Context(), &cluster); err != nil || cluster.Nodes != 6 || cluster.Cores == 0 || cluster.Memory == 0 {
		t.Errorf("got %+v, %s", cluster, message(err))
	}
	nodes := NodesData{Site: "grenoble"}
	if err := bed.readNodes(t.Context(), &nodes); err != nil || len(nodes.Names) != 6 || nodes.Names[0] != "dahu-1.grenoble.grid5000.fr" || nodes.Nodes[0].Cores != cluster.Cores {
		t.Errorf("got %+v, %s", nodes, message(err))
	}
	newJob(t, s, api.Submission{Resources: "nodes=4,walltime=20:00:00", Command: "sleep 1d"})
	status := StatusData{Site: "grenoble", Cluster: "dahu", Together: 4, Walltime: "1h"}
	if err := bed.readStatus(t.Context(), &status); err != nil || status.Total != 6 || len(status.Free) != 2 || status.FreeAt == "" {
		t.Errorf("got %+v, %s", status, message(err))
	}
	at, err := time.Parse(time.RFC3339, status.FreeAt)
	if left := at.Sub(s.Now()); err != nil || left < 15*time.Hour || left > 21*time.Hour {
		t.Errorf("4 nodes are free together in %s", left)
	}
}
