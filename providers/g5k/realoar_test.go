package g5k

import (
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/nixos-compose/nxc/providers/g5k/api"
	"github.com/nixos-compose/nxc/providers/g5k/simulator/realoar"
)

// TestJobsOnARealOAR takes a job through its life: what the simulator is
// believed to do like OAR, OAR does.
func TestJobsOnARealOAR(t *testing.T) {
	dir := os.Getenv("NXC_OAR")
	if dir == "" || os.Getuid() != 0 {
		t.Skip("no real OAR: make test-oar runs this, as root")
	}
	o, err := realoar.Start(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(o.Log())
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(realoar.NewGateway(o, "user").Handler())
	t.Cleanup(server.Close)
	client, err := api.New(api.Options{Base: server.URL + "/stable", User: "user", Pace: api.Pace{First: time.Second, Most: 2 * time.Second, Stale: 5 * time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	j := jobs{&testbed{client: client}}

	op := operation(t)
	have := &Job{Site: "grenoble", Nodes: 2, Cluster: "dahu", Walltime: "30m", Types: []string{"deploy"}, Properties: "host <> 'none'"}
	if err := j.Create(t.Context(), op, have); err != nil {
		t.Fatal(message(err))
	}
	if have.State != "running" || len(have.AssignedNodes) != 2 {
		t.Errorf("made %+v", have)
	}
	found, err := j.Find(t.Context(), op)
	if err != nil {
		t.Fatal(message(err))
	}
	if len(found) != 1 || found[0].Object.UID != have.UID || found[0].Address != op.Address || found[0].Attempt != op.Attempt ||
		found[0].Object.Cluster != "dahu" || found[0].Object.Walltime != "30m" {
		t.Errorf("found %+v, want job %d", found, have.UID)
	}
	other := operation(t)
	other.UUID = strings.Repeat("f", 32)
	if found, err := j.Find(t.Context(), other); err != nil || len(found) != 0 {
		t.Errorf("another deployment found %+v, %v", found, err)
	}

	longer := *have
	longer.Walltime = "1h"
	if err := j.Update(t.Context(), op, *have, &longer); err != nil {
		t.Fatal(message(err))
	}
	seen, err := client.Job(t.Context(), "grenoble", have.UID)
	if err != nil || seen.Walltime != 3600 {
		t.Errorf("after asking for an hour it has %+v, %v", seen, err)
	}

	for want, bad := range map[string]Job{
		"grenoble does not have what is asked for":                 {Nodes: 60},
		"OAR does not know a type of the job":                      {Nodes: 1, Types: []string{"deploi"}},
		"The reservation is in the past":                           {Nodes: 1, Reservation: "2001-01-01 08:00"},
		"OAR refuses the queue":                                    {Nodes: 1, Queue: "fast"},
		"OAR does not understand what the nodes must be like":      {Nodes: 1, Properties: "colour = 'red'"},
		"OAR does not understand what the nodes must be like: sql": {Resources: "people=3"},
	} {
		bad.Site, bad.Walltime = "grenoble", "1h"
		err := j.Create(t.Context(), operation(t), &bad)
		if err == nil {
			t.Errorf("%+v was not refused", bad)
			continue
		}
		t.Log(message(err))
		contains(t, err, strings.TrimSuffix(want, ": sql"))
	}

	if err := j.Delete(t.Context(), op, have); err != nil {
		t.Fatal(message(err))
	}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Second) {
		exists, err := j.Read(t.Context(), op, have)
		if !exists {
			if err == nil || !strings.HasPrefix(err.Error(), "it was deleted") {
				t.Errorf("an extended job that was deleted: %v", err)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the job does not end")
		}
	}
	if err := j.Delete(t.Context(), op, have); err != nil {
		t.Error("deleted again:", message(err))
	}
}
