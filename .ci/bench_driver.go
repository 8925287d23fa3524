//go:build ignore

// This program measures what a call of a test script's costs: many nodes of a
// Docker engine, which run systemd, each asked to run "true" in parallel,
// through Python, nxc, the provider's process and the engine. Beside it stands
// what the engine itself takes for the same, by its own client.
//
// usage: go run .ci/bench_driver.go NXC [NODES]
package main

import (
	"cmp"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// rounds is how often each node is asked.
const rounds = 3

const configuration = `composition "calls" {
  source  = "./composition.nix"
  nixpkgs = "embedded"
  roles   = { node = %s }
  flavour "docker" {}
}
`

const script = `
import time
took = []
for _ in range(%d):
    began = time.monotonic()
    driver.parallel(lambda machine: machine.succeed("true"))
    took.append(time.monotonic() - began)
print("took", min(took))
`

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench-driver: ")
	if len(os.Args) < 2 {
		log.Fatal("usage: go run .ci/bench_driver.go NXC [NODES]")
	}
	nxc, err := filepath.Abs(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for _, need := range []string{"docker", "nix-instantiate", "python3"} {
		if _, err := exec.LookPath(need); err != nil {
			fmt.Println("test scripts: not measured:", err)
			return
		}
	}
	nodes := "200"
	if len(os.Args) > 2 {
		nodes = os.Args[2]
	}
	if err := run(nxc, nodes); err != nil {
		log.Fatal(err)
	}
}

func run(nxc, nodes string) (err error) {
	dir, err := os.MkdirTemp("", "nxc-bench-driver-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for name, text := range map[string]string{
		"bench.nxc.hcl":   fmt.Sprintf(configuration, nodes),
		"composition.nix": "{ ... }: { roles.node = { ... }: { }; }\n",
		"bench.py":        fmt.Sprintf(script, rounds),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	call := func(arguments ...string) (string, error) {
		cmd := exec.Command(nxc, arguments...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(dir, ".state"), "NO_COLOR=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("nxc %s: %w\n%s", strings.Join(arguments, " "), err, out)
		}
		return string(out), nil
	}
	defer func() {
		_, destroyed := call("destroy", "-auto-approve")
		err = cmp.Or(err, destroyed)
	}()
	if _, err := call("apply", "-auto-approve"); err != nil {
		return err
	}
	said, err := call("test", "bench.py")
	if err != nil {
		return err
	}
	var seconds float64
	_, after, _ := strings.Cut(said, "took ")
	if _, err := fmt.Sscan(after, &seconds); err != nil {
		return fmt.Errorf("read what the script measured: %w\n%s", err, said)
	}
	bare, count, err := engine()
	if err != nil {
		return err
	}
	of := func(d time.Duration) time.Duration { return (d / time.Duration(count)).Round(10 * time.Microsecond) }
	took := time.Duration(seconds * float64(time.Second))
	fmt.Printf("%5s  %-28s %9s %12s\n", "nodes", `succeed("true") on all, by`, "all", "each")
	fmt.Printf("%5d  %-28s %9s %12s\n", count, "nxc test", took.Round(time.Millisecond), of(took))
	fmt.Printf("%5d  %-28s %9s %12s\n", count, "docker exec", bare.Round(time.Millisecond), of(bare))
	return nil
}

// engine asks every container by the engine's own client, as many at one time
// as a script does.
func engine() (time.Duration, int, error) {
	out, err := exec.Command("docker", "ps", "-q", "--filter", "label=org.nxc.name=calls::docker").Output()
	if err != nil {
		return 0, 0, err
	}
	containers := strings.Fields(string(out))
	if len(containers) == 0 {
		return 0, 0, fmt.Errorf("docker ps shows no node")
	}
	var took []time.Duration
	for range rounds {
		began := time.Now()
		var all sync.WaitGroup
		turns := make(chan struct{}, 64)
		for _, id := range containers {
			all.Go(func() {
				turns <- struct{}{}
				defer func() { <-turns }()
				_ = exec.Command("docker", "exec", id, "true").Run()
			})
		}
		all.Wait()
		took = append(took, time.Since(began))
	}
	return slices.Min(took), len(containers), nil
}
