package docker

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// composeOf expands a deployment and returns its Compose file.
func composeOf(t *testing.T, e *engine, config map[string]cty.Value, extra string) string {
	t.Helper()
	p, s := callable(t, e)
	x, d := p.Expand(t.Context(), plugins.ExpandRequest{
		Composition: "web", Label: "docker", Flavour: "docker", Extra: []byte(extra),
		Roles:     []plugins.Role{role("client", 2), role("server", 1)},
		Config:    value(t, s.Flavours["docker"].Block, config),
		Artifacts: map[string]string{artifactImage: "/nix/store/0123456789abcdef-image"},
	})
	if d.HasErrors() || len(x.Files) != 1 || x.Files[0].Path != "compose.yaml" {
		t.Fatalf("files %v, diagnostics %v", x, d)
	}
	return string(x.Files[0].Content)
}

// parsed reads a file as Compose v2 does, the specification's schema included.
func parsed(t *testing.T, text string) *types.Project {
	t.Helper()
	project, err := loader.LoadWithContext(context.Background(), types.ConfigDetails{
		WorkingDir:  "/anywhere",
		ConfigFiles: []types.ConfigFile{{Filename: "compose.yaml", Content: []byte(text)}},
	}, func(o *loader.Options) { o.SetProjectName("anywhere", true) })
	if err != nil {
		t.Fatalf("the file is not valid: %v\n%s", err, text)
	}
	return project
}

func hybrid() *engine {
	return &engine{project: "/project", cgroup: cgroups{unified: "/sys/fs/cgroup/unified"}}
}

// everything asks for all that a flavour block can say.
var everything = map[string]cty.Value{
	"ports": cty.ObjectVal(map[string]cty.Value{
		"server": strs("8080:80", "127.0.0.1:5353:53/udp", "443"), "client": strs("9000-9001:9")}),
	"volumes":      cty.ObjectVal(map[string]cty.Value{"server": strs("./data:/data:ro", "db:/var/lib/db")}),
	"privileged":   cty.TupleVal([]cty.Value{str("client2")}),
	"capabilities": cty.ObjectVal(map[string]cty.Value{"client": strs("SYS_ADMIN")}),
	"memory":       cty.ObjectVal(map[string]cty.Value{"server": str("512M")}),
	"cpus":         cty.ObjectVal(map[string]cty.Value{"server": cty.NumberFloatVal(1.5)}),
	"restart":      cty.ObjectVal(map[string]cty.Value{"server": str("on-failure:3")}),
}

// What is read on this machine has the place where its store lies; inside, all
// have the same names.
func TestComposeStoreInAFolder(t *testing.T) {
	e := hybrid()
	e.store = "/home/u/root"
	server := parsed(t, composeOf(t, e, nil, "")).Services["server"]
	if got := server.Build.Context; got != "/home/u/root/nix/store/0123456789abcdef-image" {
		t.Errorf("the image is built from %s", got)
	}
	if v := server.Volumes[0]; v.Source != "/home/u/root/nix/store" || v.Target != "/nix/store" {
		t.Errorf("the store is %s at %s", v.Source, v.Target)
	}
	if !strings.HasPrefix(server.Command[0], "/nix/store/") {
		t.Errorf("it runs %v", server.Command)
	}
}

// The file is what people read and compare, so its text is kept.
func TestComposeGolden(t *testing.T) {
	const golden = "testdata/compose.yaml"
	got := composeOf(t, hybrid(), everything, `{"sharedDirs": {"client": ["/users"]}}`)
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestComposeIsValid(t *testing.T) {
	project := parsed(t, composeOf(t, hybrid(), everything, `{"sharedDirs": {"client": ["/users"]}}`))
	server := project.Services["server"]
	if server.Networks["lan"].Ipv4Address != "10.89.0.4" || server.Hostname != "server" || server.Restart != "on-failure:3" {
		t.Errorf("server: %+v", server)
	}
	if int64(server.MemLimit) != 512<<20 || server.CPUS != 1.5 || !project.Services["client2"].Privileged {
		t.Errorf("limits: %+v", server)
	}
	var ports []string
	for _, p := range server.Ports {
		ports = append(ports, p.HostIP+" "+p.Published+" "+p.Protocol)
	}
	if diff := cmp.Diff([]string{"0.0.0.0 8080 tcp", "127.0.0.1 5353 udp", "  tcp"}, ports); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
	var volumes []string
	for _, v := range server.Volumes {
		volumes = append(volumes, v.Type+" "+v.Source)
	}
	if diff := cmp.Diff([]string{"bind /nix/store", "bind /project/data", "volume db",
		"bind /sys/fs/cgroup/unified", "bind /sys/fs/cgroup/unified/nxc-10.89.0.0-server"}, volumes); diff != "" {
		t.Errorf("volumes (-want +got):\n%s", diff)
	}
	var told struct {
		Deployment map[string]struct{ Host string }
	}
	text := project.Services["client1"].Environment["NXC_DEPLOYMENT"]
	if text == nil || json.Unmarshal([]byte(*text), &told) != nil || told.Deployment["10.89.0.4"].Host != "server" {
		t.Errorf("what the nodes are told: %v", text)
	}
	if strings.Contains(*text, "PRIVATE") || server.ContainerName != "" {
		t.Error("the file holds a key, or names that only one environment can have")
	}
}

// Version 2 of the control groups needs a word that Compose 1.29 refuses, so
// it is there only then.
func TestComposeCgroups(t *testing.T) {
	e := &engine{project: "/project", cgroup: cgroups{unified: "/sys/fs/cgroup", slices: true}}
	e.info.CgroupVersion = "2"
	client := parsed(t, composeOf(t, e, nil, "")).Services["client1"]
	if client.Cgroup != "host" || client.CgroupParent != "nxc_10.89.0.0_client1.slice" {
		t.Errorf("cgroup %q below %q", client.Cgroup, client.CgroupParent)
	}
	if client := parsed(t, composeOf(t, hybrid(), nil, "")).Services["client1"]; client.Cgroup != "" {
		t.Errorf("cgroup %q", client.Cgroup)
	}
}

func TestQuoted(t *testing.T) {
	for text, want := range map[string]string{
		"plain": "plain", "/a/b:/c:ro": "/a/b:/c:ro", "": `""`, "yes": `"yes"`, "a b": `"a b"`,
		"1.5": `"1.5"`, "$HOME": `"$$HOME"`, "a: b": `"a: b"`, "a\"\n": `"a\"\n"`, "<&>": `"<&>"`, "#x": `"#x"`,
	} {
		if got := quoted(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
