package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/providers/g5k/simulator/oar"
	"github.com/nixos-compose/nxc/providers/g5k/simulator/spec"
)

// checked makes options whose platform has each answer checked against the
// API's description, and says how many were.
func checked(t *testing.T, o Options) Options {
	t.Helper()
	path, err := spec.Find(".")
	if err != nil {
		t.Skip(err)
	}
	s, err := spec.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	o.Watch = func(e Exchange) {
		mu.Lock()
		defer mu.Unlock()
		if err := s.Check(spec.Answer(e)); err != nil {
			t.Error(err)
		}
	}
	return o
}

// asker asks the API.
type asker struct {
	t    *testing.T
	base string
	user string
	pass string
}

func (a asker) do(method, path, body string) (int, string) {
	a.t.Helper()
	req, err := http.NewRequest(method, a.base+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if a.user != "" {
		req.SetBasicAuth(a.user, a.pass)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// get asks for something and wants it.
func (a asker) get(path string) object {
	a.t.Helper()
	status, text := a.do("GET", path, "")
	var o object
	if err := json.Unmarshal([]byte(text), &o); err != nil || status != 200 {
		a.t.Fatalf("GET %s: %d %s %v", path, status, text, err)
	}
	return o
}

func TestAnswersAreAsDescribed(t *testing.T) {
	s, l := startPlatform(t, checked(t, Options{}))
	a := asker{t: t, base: s.API()}
	j := l.reserve("grenoble", "{type='kavlan'}/vlan=1+nodes=2,walltime=1", "deploy")
	id := fmt.Sprint(j.ID)
	if _, err := s.SubmitJob("grenoble", oar.Submission{User: "bob", Command: "sleep 1d", Resources: "nodes=1,walltime=2", Name: "his"}); err != nil {
		t.Fatal(err)
	}
	if status, text := a.do("POST", "/sites/grenoble/jobs", `{"resources":"nodes=4","command":"sleep 1d","name":"later"}`); status != 201 {
		t.Fatalf("%d %s", status, text)
	}
	s.Advance(5 * time.Second)
	tests := []struct {
		method, path, body string
		status             int
		has                string
	}{
		{"GET", "/", "", 200, `"uid":"grid5000"`},
		{"GET", "/accesses", "", 200, ""},
		{"GET", "/refrepo", "", 200, ""},
		{"GET", "/versions", "", 200, `"total":1`},
		{"GET", "/versions/latest", "", 200, referenceVersion},
		{"GET", "/versions/none", "", 404, ""},
		{"GET", "/sites", "", 200, `"uid":"lyon"`},
		{"GET", "/sites/grenoble", "", 200, `"scheduler":"oar"`},
		{"GET", "/sites/atlantis", "", 404, "Cannot find resource /sites/atlantis"},
		{"GET", "/sites/grenoble/clusters", "", 200, `"nodes_count":4`},
		{"GET", "/sites/grenoble/clusters/dahu", "", 200, `"model":"Dell PowerEdge C6420"`},
		{"GET", "/sites/grenoble/clusters/gros", "", 404, ""},
		{"GET", "/sites/grenoble/clusters/dahu/nodes", "", 200, `"uid":"dahu-4"`},
		{"GET", "/sites/grenoble/clusters/dahu/nodes/dahu-1", "", 200, `"ip":"172.16.20.1"`},
		{"GET", "/sites/grenoble/clusters/dahu/nodes/dahu-9", "", 404, ""},
		{"GET", "/sites/grenoble/servers", "", 200, `"items":[]`},
		{"GET", "/sites/grenoble/pdus/one", "", 404, ""},
		{"GET", "/sites/grenoble/status", "", 200, `"soft":"busy"`},
		{"GET", "/sites/grenoble/status?disks=no&vlans=no&subnets=no&job_details=no", "", 200, `"nodes"`},
		{"GET", "/sites/grenoble/clusters/dahu/status", "", 200, `"free_slots":32`},
		{"GET", "/sites/grenoble/jobs", "", 200, `"total":3`},
		{"GET", "/sites/grenoble/jobs?resources=yes&limit=1&offset=1", "", 200, `"offset":1`},
		{"GET", "/sites/grenoble/jobs?name=later", "", 200, `"state":"waiting"`},
		{"GET", "/sites/grenoble/jobs?user=bob&state=waiting,running", "", 200, `"name":"his"`},
		{"GET", "/sites/grenoble/jobs/" + id, "", 200, `"vlans":[4]`},
		{"GET", "/sites/grenoble/jobs/7", "", 404, "Couldn't find OAR::Job with 'job_id'=7"},
		{"GET", "/sites/grenoble/jobs/" + id + "/walltime", "", 200, `"walltime":"1:0:0"`},
		{"POST", "/sites/grenoble/jobs/" + id + "/walltime", `{"walltime":"+0:30"}`, 202, "Walltime change request accepted"},
		{"POST", "/sites/grenoble/jobs/" + id + "/walltime", `{"walltime":"more"}`, 400, "Syntax error"},
		{"POST", "/sites/grenoble/jobs/7/walltime", `{"walltime":"1"}`, 404, ""},
		{"POST", "/sites/grenoble/jobs", `{"resources":"nodes=1"}`, 400, "you must give a :command"},
		{"POST", "/sites/grenoble/jobs", `{"command":`, 400, ""},
		{"POST", "/sites/grenoble/jobs", `{"command":"x","resources":"nodes=99"}`, 400, "failed with status 400: {"},
		{"POST", "/sites/grenoble/jobs", `{"command":"x","types":["warp"]}`, 500, "[ADMISSION RULE] Error: unknown job type: warp"},
		{"DELETE", "/sites/grenoble/jobs/" + fmt.Sprint(j.ID+1), "", 403, "You are not authorized to access this resource"},
		{"GET", "/sites/grenoble/environments", "", 200, `"name":"debian12-min"`},
		{"GET", "/sites/grenoble/environments?name=debian11-std", "", 200, `"total":1`},
		{"GET", "/sites/grenoble/environments/debian11-std_x86_64_2025061012_deploy", "", 200, ""},
		{"GET", "/sites/grenoble/environments/mine", "", 404, ""},
		{"GET", "/sites/grenoble/vlans", "", 200, `"type":"kavlan-local"`},
		{"GET", "/sites/grenoble/vlans/4", "", 200, `"uid":"4"`},
		{"GET", "/sites/grenoble/vlans/77", "", 404, ""},
		{"POST", "/sites/grenoble/vlans/4/nodes", `["dahu-1.grenoble.grid5000.fr","nobody"]`, 200, `"status":"success"`},
		{"POST", "/sites/grenoble/vlans/4/nodes", `["dahu-1.grenoble.grid5000.fr"]`, 200, `"status":"unchanged"`},
		{"POST", "/sites/grenoble/vlans/5/nodes", `["dahu-1.grenoble.grid5000.fr"]`, 403, "Not enough privileges"},
		{"POST", "/sites/grenoble/vlans/4/nodes", `[]`, 422, "Missing node list"},
		{"GET", "/sites/grenoble/vlans/4/nodes", "", 200, `"uid":"dahu-1.grenoble.grid5000.fr","vlan":"4"`},
		{"GET", "/sites/grenoble/vlans/nodes", "", 200, `"vlan":"DEFAULT"`},
		{"POST", "/sites/grenoble/vlans/nodes", `["dahu-1.grenoble.grid5000.fr"]`, 200, `"total":1`},
		{"GET", "/sites/grenoble/vlans/users", "", 200, `"vlans":[4]`},
		{"GET", "/sites/grenoble/vlans/users/alice", "", 200, `"uid":"alice"`},
		{"GET", "/sites/grenoble/vlans/4/users", "", 200, `"status":"authorized"`},
		{"GET", "/sites/grenoble/vlans/5/users/alice", "", 200, `"status":"unauthorized"`},
		{"PUT", "/sites/grenoble/vlans/4/dhcpd", `{"action":"stop"}`, 204, ""},
		{"PUT", "/sites/grenoble/vlans/4/dhcpd", `{"action":"sing"}`, 422, ""},
		{"POST", "/sites/grenoble/firewall/" + id, `[{"addr":["dahu-1-ipv6.grenoble.grid5000.fr"],"port":[80],"proto":"tcp+udp"}]`, 201, `"port":[80]`},
		{"POST", "/sites/grenoble/firewall/" + id, `[{"addr":["dahu-3-ipv6.grenoble.grid5000.fr"]}]`, 403, "is not in the job"},
		{"GET", "/sites/grenoble/firewall/" + id, "", 200, `"proto":"tcp+udp"`},
		{"GET", "/sites/grenoble/firewall", "", 200, id},
		{"DELETE", "/sites/grenoble/firewall/" + id, "", 204, ""},
		{"POST", "/sites/grenoble/storage/home/alice/access", `{"ipv4":"172.16.20.1","termination":{"job":` + id + `,"site":"grenoble"}}`, 201, `"ipv4"`},
		{"POST", "/sites/grenoble/storage/home/alice/access", `{"ipv4":"here","termination":{"job":` + id + `}}`, 400, "not an address"},
		{"GET", "/sites/grenoble/storage/home/alice/access", "", 200, `"job":` + id},
		{"GET", "/sites/grenoble/storage/home/bob/access", "", 403, ""},
		{"POST", "/sites/grenoble/deployments", `{"nodes":["dahu-1.grenoble.grid5000.fr"],"environment":"debian12-min"}`, 201, `"status":"processing"`},
		{"POST", "/sites/grenoble/deployments", `{"nodes":["dahu-4.grenoble.grid5000.fr"],"environment":"debian12-min"}`, 500, "invalid rights on nodes dahu-4"},
		{"POST", "/sites/grenoble/deployments", `{"nodes":["dahu-1.grenoble.grid5000.fr"],"environment":"nonesuch"}`, 400, "cannot be loaded"},
		{"POST", "/sites/grenoble/deployments", `{"nodes":["dahu-1.grenoble.grid5000.fr"],"environment":"http://public.grenoble.grid5000.fr/~alice/none.yaml"}`, 500, "Error fetching the image description file"},
		{"GET", "/sites/grenoble/deployments", "", 200, `"total":1`},
		{"GET", "/sites/grenoble/deployments/D-none", "", 404, ""},
		{"DELETE", "/sites/grenoble/jobs/" + id, "", 202, ""},
		{"DELETE", "/sites/grenoble/jobs/" + id, "", 400, "Cannot frag " + id + " ; This job was already killed."},
		{"GET", "/nothing", "", 404, ""},
	}
	for _, tt := range tests {
		status, text := a.do(tt.method, tt.path, tt.body)
		if status != tt.status || !strings.Contains(text, tt.has) {
			t.Errorf("%s %s %s: got %d %s, want %d %s", tt.method, tt.path, tt.body, status, text, tt.status, tt.has)
		}
	}
	for _, version := range []string{"3.0", "sid"} {
		if status, text := a.do("GET", "/../"+version+"/sites", ""); status != 200 || !strings.Contains(text, "/"+version+"/sites/grenoble") {
			t.Errorf("version %s: %d %s", version, status, text)
		}
	}
}

func TestCredentials(t *testing.T) {
	s, _ := startPlatform(t, checked(t, Options{Password: "secret"}))
	for name, tt := range map[string]struct {
		a    asker
		want int
	}{
		"none":  {asker{t: t, base: s.API()}, 401},
		"wrong": {asker{t: t, base: s.API(), user: "alice", pass: "no"}, 401},
		"right": {asker{t: t, base: s.API(), user: "alice", pass: "secret"}, 200},
	} {
		if got, _ := tt.a.do("GET", "/sites", ""); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}

// upload puts files of an environment into the user's public folder at
// Grenoble: an image with one file, its description, a post-installation.
func upload(t *testing.T, s *Simulator, more string) string {
	t.Helper()
	public := filepath.Join(s.Home("grenoble"), "public")
	for name, content := range map[string][]byte{
		"image.tar.gz": tarball(t, map[string]string{"etc/issue": "ours\n", "root/.ssh/authorized_keys": ""}),
		"post.tgz":     tarball(t, map[string]string{"finish": "#!/bin/sh\ncp context $KADEPLOY_MNT/etc/context\n", "context": "public part\n"}),
		"env.yaml": []byte(`name: ours
version: 1
os: linux
arch: x86_64
visibility: private
image:
  file: http://public.grenoble.grid5000.fr/~alice/image.tar.gz
  kind: tar
  compression: gzip
postinstalls:
- archive: http://public.grenoble.grid5000.fr/~alice/post.tgz
  compression: gzip
  script: finish
boot:
  kernel: /boot/bzImage
  initrd: /boot/initrd
  kernel_params: console=ttyS0
filesystem: ext4
partition_type: 131
multipart: false
` + more),
	} {
		if err := os.WriteFile(filepath.Join(public, name), content, 0o644); err != nil { //nolint:gosec // it is public
			t.Fatal(err)
		}
	}
	return "http://public.grenoble.grid5000.fr/~alice/env.yaml"
}

// waitFor asks for a deployment until it has ended.
func (a asker) waitFor(uid string) object {
	a.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		o := a.get("/sites/grenoble/deployments/" + uid)
		if o["status"] != "processing" {
			return o
		}
		if time.Now().After(deadline) {
			a.t.Fatalf("the deployment does not end: %v", o)
		}
	}
}

func (a asker) deploy(body object) object {
	a.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		a.t.Fatal(err)
	}
	status, said := a.do("POST", "/sites/grenoble/deployments", string(text))
	var o object
	if err := json.Unmarshal([]byte(said), &o); err != nil || status != 201 {
		a.t.Fatalf("%d %s", status, said)
	}
	return o
}

func TestDeployment(t *testing.T) {
	s, l := startPlatform(t, checked(t, Options{}))
	a := asker{t: t, base: s.API()}
	j := l.reserve("grenoble", "nodes=2", "deploy")
	s.FailDeployment(j.Nodes[1])
	d := a.deploy(object{"nodes": j.Nodes, "environment": upload(t, s, ""), "key": string(ssh.MarshalAuthorizedKey(l.signer.PublicKey()))})
	if o := a.get("/sites/grenoble/deployments/" + d["uid"].(string)); o["status"] != "processing" {
		t.Errorf("at once it is %v", o["status"])
	}
	s.Advance(4 * time.Minute)
	o := a.waitFor(d["uid"].(string))
	result := o["result"].(object)
	if got := fmt.Sprintf("%v %v %v", o["status"], result[j.Nodes[0]].(object)["state"], result[j.Nodes[1]].(object)["state"]); got != "terminated OK KO" {
		t.Fatalf("got %s: %v", got, o)
	}
	c := l.eventually("root", j.Nodes[0])
	if got := l.run(c, "cat /etc/issue /etc/context; whoami"); got != "ours\npublic part\nroot" {
		t.Errorf("the node has %q", got)
	}
	if _, err := l.dial("alice", j.Nodes[0]); err == nil {
		t.Error("the standard environment's user is in the deployed one")
	}
	if _, err := l.dial("root", j.Nodes[1]); err == nil {
		t.Error("a node that is KO lets somebody in")
	}
	again := a.deploy(object{"nodes": j.Nodes[1:], "environment": "debian11-min", "key": string(ssh.MarshalAuthorizedKey(l.signer.PublicKey()))})
	s.Advance(4 * time.Minute)
	if o := a.waitFor(again["uid"].(string)); o["result"].(object)[j.Nodes[1]].(object)["state"] != "OK" {
		t.Errorf("the second time: %v", o)
	}
	l.eventually("root", j.Nodes[1])
}

func TestBadEnvironments(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(public string, env []byte) []byte
		status int
		want   string
	}{
		"no yaml":       {func(string, []byte) []byte { return []byte("name: [") }, 400, "Invalid environment description"},
		"unknown field": {func(_ string, e []byte) []byte { return append(e, "colour: red\n"...) }, 400, "colour"},
		"no kernel":     {func(_ string, e []byte) []byte { return bytes.Replace(e, []byte("  kernel: /boot/bzImage\n"), nil, 1) }, 400, "boot.kernel"},
		"bad kind":      {func(_ string, e []byte) []byte { return bytes.Replace(e, []byte("kind: tar"), []byte("kind: zip"), 1) }, 400, "image.kind"},
		"no image": {func(public string, e []byte) []byte {
			_ = os.Remove(filepath.Join(public, "image.tar.gz"))
			return e
		}, 400, "Unable to fetch http://public.grenoble.grid5000.fr/~alice/image.tar.gz: HTTP error 404"},
	} {
		t.Run(name, func(t *testing.T) {
			s, l := startPlatform(t, checked(t, Options{}))
			j := l.reserve("grenoble", "nodes=1", "deploy")
			url := upload(t, s, "")
			public := filepath.Join(s.Home("grenoble"), "public")
			env, err := os.ReadFile(filepath.Join(public, "env.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(public, "env.yaml"), tt.change(public, env), 0o644); err != nil { //nolint:gosec // it is public
				t.Fatal(err)
			}
			status, text := asker{t: t, base: s.API()}.do("POST", "/sites/grenoble/deployments", fmt.Sprintf(`{"nodes":[%q],"environment":%q}`, j.Nodes[0], url))
			if status != tt.status || !strings.Contains(text, tt.want) {
				t.Errorf("got %d %s, want %d %s", status, text, tt.status, tt.want)
			}
		})
	}
}
