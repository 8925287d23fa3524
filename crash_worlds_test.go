package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/sdktest/fake"
)

// nullWorld has nothing outside: what it tries is the journal and the state.
func nullWorld(*testing.T) *world {
	return &world{name: "null", few: 4, most: 200, config: `
variable "n" {
  type = number
}

variable "word" {}

resource "null_resource" "root" {
  triggers = { word = var.word }
}

resource "null_resource" "many" {
  count    = var.n
  triggers = { root = null_resource.root.id }
}
`}
}

// fakeWorld makes files, slowly, and replaces some before it destroys.
func fakeWorld(*testing.T) *world {
	return &world{
		name: "fake", few: 5, most: 12,
		prepare: func(_ *testing.T, w *world) {
			w.config = fmt.Sprintf(fakeConfig, filepath.Join(w.dir, "outside"))
		},
		outside: func(t *testing.T, w *world) []string {
			entries, _ := os.ReadDir(filepath.Join(w.dir, "outside", "things"))
			marks := map[string]bool{}
			var attempts []string
			for _, e := range entries {
				name, ok := strings.CutSuffix(e.Name(), ".mark")
				if !ok {
					continue
				}
				text, err := os.Readlink(filepath.Join(w.dir, "outside", "things", e.Name()))
				if err != nil {
					t.Fatal(err)
				}
				var o struct{ Attempt string }
				if err := json.Unmarshal([]byte(text), &o); err != nil {
					t.Fatal(err)
				}
				marks[name] = true
				attempts = append(attempts, o.Attempt)
			}
			for _, e := range entries {
				if !strings.HasSuffix(e.Name(), ".mark") && !marks[e.Name()] {
					attempts = append(attempts, e.Name()) // of nobody
				}
			}
			return attempts
		},
	}
}

const fakeConfig = `
variable "n" {
  type = number
}

variable "word" {}

provider "fake" {
  root = %q
}

resource "fake_thing" "base" {
  count   = var.n
  name    = "base${count.index}"
  content = var.word
  delay   = "20ms"
}

resource "fake_thing" "replaced" {
  count   = var.n
  name    = "replaced${count.index}-${var.word}"
  content = fake_thing.base[count.index].id
  delay   = "10ms"
}

resource "fake_thing" "overlapping" {
  name    = "overlapping-${var.word}"
  content = join(",", fake_thing.replaced[*].id)
  delay   = "30ms"
  lifecycle {
    create_before_destroy = true
  }
}
`

// dockerWorld makes real things in a real engine.
func dockerWorld(t *testing.T) *world {
	w := &world{name: "docker", few: 4, most: 3}
	if exec.Command("docker", "info").Run() != nil {
		w.skip = "no Docker engine"
		return w
	}
	w.prepare = func(t *testing.T, w *world) {
		program := filepath.Join(t.TempDir(), "pause")
		build := exec.Command(filepath.Join(".ci", "go"), "build", "-o", program, "./testdata/pause")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		w.config = fmt.Sprintf(dockerConfig, filepath.Base(w.dir)+filepath.Base(filepath.Dir(w.dir)), program)
	}
	w.outside = func(t *testing.T, w *world) []string {
		label := "label=crash=" + filepath.Base(w.dir) + filepath.Base(filepath.Dir(w.dir))
		const attempt = `{{.Label "org.nxc.attempt"}}`
		list := lines(t, "docker", "ps", "-a", "--filter", label, "--format", attempt)
		list = append(list, lines(t, "docker", "network", "ls", "--filter", label, "--format", attempt)...)
		list = append(list, lines(t, "docker", "volume", "ls", "--filter", label, "--format", attempt)...)
		for _, id := range lines(t, "docker", "images", "-q", "--filter", label) {
			list = append(list, lines(t, "docker", "image", "inspect", id, "--format", `{{index .Config.Labels "org.nxc.attempt"}}`)...)
		}
		slices.Sort(list)
		return list
	}
	return w
}

const dockerConfig = `
variable "n" {
  type = number
}

variable "word" {}

locals {
  labels = { crash = %q }
}

resource "docker_network" "lan" {
  name   = "lan"
  labels = local.labels
}

resource "docker_volume" "data" {
  name   = "data-${var.word}"
  labels = local.labels
}

resource "docker_image" "empty" {
  name   = "empty"
  labels = local.labels
}

resource "docker_container" "node" {
  count   = var.n
  name    = "node${count.index}"
  image   = docker_image.empty.reference
  command = ["/pause"]
  network = docker_network.lan.id
  labels  = local.labels
  env     = { WORD = var.word }
  mount {
    source    = %q
    target    = "/pause"
    read_only = true
  }
  volume {
    volume = docker_volume.data.volume_name
    target = "/data"
  }
}
`

// serveFake is a third party's plugin as nxc finds it in the PATH.
func serveFake() { sdk.Serve(fake.Provider()) }
