package g5k

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"
	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/plugins/sdk/sdktest"
	"github.com/nixos-compose/nxc/providers/g5k/api"
	"github.com/nixos-compose/nxc/providers/g5k/simulator"
)

func TestMain(m *testing.M) {
	sdktest.Main(Provider)
	os.Exit(m.Run())
}

// newSimulator starts a testbed of two small clusters, on which an hour takes
// half a minute.
func newSimulator(t *testing.T, o simulator.Options) *simulator.Simulator {
	t.Helper()
	o.User, o.Password = "jdoe", "secret"
	if o.Clusters == nil {
		o.Clusters = map[string]int{"dahu": 6, "taurus": 4}
	}
	if o.Speed == 0 {
		o.Speed = 120
	}
	s, err := simulator.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// block is the provider's block for a simulator.
func block(s *simulator.Simulator, key string) map[string]any {
	return map[string]any{
		"api": s.API(), "user": "jdoe", "password": "secret", "poll": "20ms",
		"gateway": s.Gateway(), "known_hosts": s.KnownHosts(), "ssh_key": key,
	}
}

// unfinishedJobs lists the jobs that run or wait, by site.
func unfinishedJobs(s *simulator.Simulator) []string {
	var list []string
	for _, site := range []string{"grenoble", "lyon"} {
		for _, j := range s.Jobs(site) {
			if !j.State.Ends() {
				list = append(list, fmt.Sprintf("%s/%d", site, j.ID))
			}
		}
	}
	return list
}

// writes counts the requests that may have changed something.
func writes(s *simulator.Simulator) int {
	n := 0
	for _, r := range s.Requests() {
		if r.Method != http.MethodGet && r.Path != "" {
			n++
		}
	}
	return n
}

// TestJobConformance drives jobs through the protocol.
func TestJobConformance(t *testing.T) {
	t.Parallel()
	s := newSimulator(t, simulator.Options{})
	sdktest.Run(t, sdktest.Suite{
		Provider: provider(&testbed{}, 2*time.Second), Command: sdktest.Self(), Config: block(s, ""),
		Outside: func(*testing.T) []string { return unfinishedJobs(s) },
		Writes:  func() int { return writes(s) },
		Cases: []sdktest.Case{{
			Type:   "g5k_job",
			Config: map[string]any{"site": "grenoble", "cluster": "dahu", "nodes": 2, "walltime": "20h", "types": []any{"deploy"}},
			Update: map[string]any{"site": "grenoble", "cluster": "dahu", "nodes": 2, "walltime": "21h", "types": []any{"deploy"}},
			Break: func(t *testing.T, o cty.Value) {
				uid, _ := o.GetAttr("uid").AsBigFloat().Int64()
				if err := s.KillJob("grenoble", int(uid)); err != nil {
					t.Fatal(err)
				}
				await(t, "the job's end", func() bool { return len(unfinishedJobs(s)) == 0 })
			},
			Kills: 3,
		}},
	})
}

// filesBelow lists the files of a folder and those below it.
func filesBelow(folder string) []string {
	var files []string
	filepath.WalkDir(folder, func(path string, d fs.DirEntry, _ error) error {
		if d != nil && !d.IsDir() {
			files = append(files, path)
		}
		return nil
	})
	return files
}

// TestConformanceWithinAJob drives what belongs to a job through the protocol.
func TestConformanceWithinAJob(t *testing.T) {
	t.Parallel()
	key, public := newKey(t)
	s := newSimulator(t, simulator.Options{Keys: []ssh.PublicKey{public}, DeployTime: 10 * time.Second})
	job := newJob(t, s, api.Submission{
		Resources: "{type='kavlan'}/vlan=1+{cluster='dahu'}/nodes=3,walltime=100:00:00", Types: []string{"deploy"}, Command: "sleep 1d",
	})
	nodes := nodesOf(job.AssignedNodes)
	image := filepath.Join(t.TempDir(), "image.tar.gz")
	if err := os.WriteFile(image, bytes.Repeat([]byte("image "), 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	publicFolder := filepath.Join(s.Home("grenoble"), "public", "nxc")
	sdktest.Run(t, sdktest.Suite{
		Provider: provider(&testbed{}, 2*time.Second), Command: sdktest.Self(), Config: block(s, key),
		Outside: func(*testing.T) []string { return filesBelow(publicFolder) },
		Cases: []sdktest.Case{
			{
				Type:   "g5k_image",
				Config: map[string]any{"site": "grenoble", "file": image},
				Update: map[string]any{"site": "grenoble", "file": image, "environment": map[string]any{"kernel_params": "console=ttyS0"}},
				Break: func(t *testing.T, o cty.Value) {
					if err := os.Remove(filepath.Join(s.Home("grenoble"), o.GetAttr("path").AsString())); err != nil {
						t.Error(err)
					}
				},
				Kills: 2,
			},
			{
				Type:      "g5k_deployment",
				Config:    map[string]any{"site": "grenoble", "job": job.UID, "environment": "debian11-min", "spares": 1},
				Update:    map[string]any{"site": "grenoble", "job": job.UID, "environment": "debian11-min", "spares": 1, "min_nodes": 1},
				Invisible: true, Kills: 2,
			},
			{
				Type:      "g5k_vlan",
				Config:    map[string]any{"site": "grenoble", "job": job.UID, "nodes": []any{nodes[0], nodes[1]}},
				Update:    map[string]any{"site": "grenoble", "job": job.UID, "nodes": []any{nodes[1], nodes[2]}},
				Invisible: true, Kills: 2,
			},
			{
				Type:      "g5k_firewall",
				Config:    map[string]any{"site": "grenoble", "job": job.UID, "open": []any{map[string]any{"nodes": []any{nodes[0]}, "ports": []any{"80"}}}},
				Update:    map[string]any{"site": "grenoble", "job": job.UID, "open": []any{map[string]any{"nodes": []any{nodes[0]}, "ports": []any{"80", "8000-8010"}}}},
				Invisible: true, Kills: 2,
			},
			{
				Type:      "g5k_storage_access",
				Config:    map[string]any{"site": "grenoble", "job": job.UID, "address": "10.4.0.0/18"},
				Invisible: true, Kills: 2,
			},
		},
	})
}

// TestStoreConformance drives a store through the protocol. What is outside are
// the files of its folder.
func TestStoreConformance(t *testing.T) {
	t.Parallel()
	first, second := storePaths(t)
	key, public := newKey(t)
	s := newSimulator(t, simulator.Options{Keys: []ssh.PublicKey{public}})
	folder := filepath.Join(s.Home("grenoble"), ".nxc")
	sdktest.Run(t, sdktest.Suite{
		Provider: provider(&testbed{}, 2*time.Second), Command: sdktest.Self(), Config: block(s, key),
		Outside: func(*testing.T) []string { return filesBelow(folder) },
		Cases: []sdktest.Case{{
			Type:   "g5k_store",
			Config: map[string]any{"site": "grenoble", "closure": closureOf(t, first, second)},
			Update: map[string]any{"site": "grenoble", "closure": closureOf(t, second)},
			Break: func(t *testing.T, _ cty.Value) {
				if err := os.RemoveAll(filepath.Join(folder, "nix", "store", filepath.Base(second))); err != nil {
					t.Error(err)
				}
			},
			Kills: 2,
		}},
	})
}

// newKey makes a key for ssh, in a file.
func newKey(t *testing.T) (file string, public ssh.PublicKey) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "id_ed25519")
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return file, signer.PublicKey()
}

// newClient speaks to a simulator.
func newClient(t *testing.T, s *simulator.Simulator) *api.Client {
	t.Helper()
	c, err := api.New(api.Options{
		Base: s.API(), User: "jdoe", Password: "secret", Pace: api.Pace{First: 10 * time.Millisecond, Again: 10 * time.Millisecond, Stale: time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// newJob makes a job and waits until it runs.
func newJob(t *testing.T, s *simulator.Simulator, sub api.Submission) *api.Job {
	t.Helper()
	c := newClient(t, s)
	job, err := c.Submit(t.Context(), "grenoble", sub)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "a job's nodes", func() bool {
		job, err = c.Job(t.Context(), "grenoble", job.UID)
		return err != nil || job.Running()
	})
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// await waits for a condition.
func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited a minute for %s", what)
		}
	}
}
