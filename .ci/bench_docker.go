//go:build ignore

// This program measures how soon nodes run on a Docker engine, by nxc and by
// stock Compose: first plain containers of the same image, command and network,
// then a composition whose nodes run systemd, which Compose brings up from the
// file that nxc writes. Every round measures each of them once; what is printed
// are medians.
//
// Compose's "up -d" returns when the containers are started, nxc when their
// systems have booted. So "ready" is measured for both by the same check.
//
// usage: go run .ci/bench_docker.go [-rounds N] NXC [SIZE…]
package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const image = "nxc-bench:latest"

const plainNodes = `resource "docker_network" "lan" {
  name = "bench"
}
resource "docker_container" "node" {
  count       = %d
  name        = "node${count.index}"
  image       = "` + image + `"
  command     = ["/bin/busybox", "sleep", "1000000"]
  stop_signal = "SIGKILL"
  network     = docker_network.lan.id
}
`

const systemdNodes = `composition "bench" {
  source  = "./composition.nix"
  nixpkgs = "embedded"
  roles   = { node = %d }
  flavour "docker" {}
}
`

const systemdRoles = "{ pkgs, ... }: { roles.node = { pkgs, ... }: { }; }\n"

func main() {
	log.SetFlags(0)
	rounds := flag.Int("rounds", 3, "how often each is measured")
	flag.Parse()
	if flag.NArg() < 1 {
		log.Fatal("usage: go run .ci/bench_docker.go [-rounds N] NXC [SIZE…]")
	}
	nxc, err := filepath.Abs(flag.Arg(0))
	if err != nil {
		log.Fatal(err)
	}
	for _, need := range []string{"docker", "docker-compose", "busybox"} {
		if _, err := exec.LookPath(need); err != nil {
			fmt.Println("containers: not measured:", err)
			return
		}
	}
	b := bench{nxc: nxc, composes: [][]string{{"docker-compose"}}, rounds: *rounds}
	if exec.Command("docker", "compose", "version").Run() == nil {
		b.composes = append(b.composes, []string{"docker", "compose"})
	}
	sizes := []string{"20", "50"}
	if flag.NArg() > 1 {
		sizes = flag.Args()[1:]
	}
	if err := b.run(sizes); err != nil {
		log.Fatal(err)
	}
}

type bench struct {
	nxc      string
	composes [][]string
	rounds   int
}

func (b *bench) run(sizes []string) error {
	if err := load(); err != nil {
		return err
	}
	defer exec.Command("docker", "rmi", image).Run()
	_, noNix := exec.LookPath("nix-instantiate")
	fmt.Printf("%5s  %-8s %-16s %9s %9s %9s %9s\n", "nodes", "of", "by", "up", "ready", "exec", "down")
	for _, size := range sizes {
		n, err := strconv.Atoi(size)
		if err != nil {
			return err
		}
		if err := b.compare(n, "busybox", plain(b, n)); err != nil {
			return err
		}
		if noNix != nil {
			fmt.Println("systemd: not measured:", noNix)
			continue
		}
		candidates, remove, err := systemd(b, n)
		if err == nil {
			err = b.compare(n, "systemd", candidates)
		}
		remove()
		if err != nil {
			return err
		}
	}
	return nil
}

// candidate is one way to bring nodes up and take them down.
type candidate struct {
	name     string
	folder   func() (string, error) // a new one for each round
	up, down []string
	label    string // of its containers, when they run systemd
}

// times is what a round took: until the command returned, until every node was
// ready, until a program had run on each, until all was gone.
type times [4]time.Duration

// compare prints the medians of all candidates, and nxc's part of the others'.
func (b *bench) compare(n int, of string, candidates []candidate) error {
	took := make([][]times, len(candidates))
	for range b.rounds {
		for i, c := range candidates {
			t, err := c.measure(n)
			if err != nil {
				return fmt.Errorf("%d nodes by %s: %w", n, c.name, err)
			}
			took[i] = append(took[i], t)
		}
	}
	for i, c := range candidates {
		fmt.Printf("%5d  %-8s %-16s", n, of, c.name)
		for _, d := range median(took[i]) {
			if d == 0 {
				fmt.Printf(" %9s", "")
				continue
			}
			fmt.Printf(" %8.2fs", d.Seconds())
		}
		fmt.Println()
	}
	ours := median(took[0])
	for i, c := range candidates[1:] {
		theirs := median(took[i+1])
		fmt.Printf("%5d  %-8s %-16s", n, of, "nxc / "+c.name)
		for j := range ours {
			if theirs[j] == 0 {
				fmt.Printf(" %9s", "")
				continue
			}
			fmt.Printf(" %8.2f×", ours[j].Seconds()/theirs[j].Seconds())
		}
		fmt.Println()
	}
	return nil
}

func median(rounds []times) (m times) {
	for j := range m {
		var column []time.Duration
		for _, t := range rounds {
			column = append(column, t[j])
		}
		slices.Sort(column)
		m[j] = column[len(column)/2]
	}
	return m
}

// measure runs a candidate once. What fails half-way is taken down as well.
func (c *candidate) measure(n int) (t times, err error) {
	folder, err := c.folder()
	if err != nil {
		return t, err
	}
	defer os.RemoveAll(folder)
	begun := time.Now()
	err = command(folder, c.up)
	t[0] = time.Since(begun)
	if err == nil && c.label != "" {
		err = each(c.label, n, "running", "systemctl", "is-system-running", "--wait")
		t[1] = time.Since(begun)
		if err == nil {
			executed := time.Now()
			err = each(c.label, n, "", "true")
			t[2] = time.Since(executed)
		}
	}
	ended := time.Now()
	err = errors.Join(err, command(folder, c.down))
	t[3] = time.Since(ended)
	return t, err
}

func command(folder string, args []string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(folder, "state"), "COMPOSE_HTTP_TIMEOUT=300")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// each runs a program on all n containers with a label until it says want,
// eight at a time.
func each(label string, n int, want string, program ...string) error {
	out, err := exec.Command("docker", "ps", "-q", "--filter", "label="+label).Output()
	if err != nil {
		return err
	}
	ids := strings.Fields(string(out))
	if len(ids) != n {
		return fmt.Errorf("%d containers run, not %d", len(ids), n)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	var group sync.WaitGroup
	var mu sync.Mutex
	var failed error
	work := make(chan string)
	for range 8 {
		group.Go(func() {
			for id := range work {
				said, err := until(ctx, id, want, program)
				if err != nil {
					mu.Lock()
					failed = fmt.Errorf("%s on %s: %w: %s", program[0], id, err, said)
					mu.Unlock()
				}
			}
		})
	}
	for _, id := range ids {
		work <- id
	}
	close(work)
	group.Wait()
	return failed
}

func until(ctx context.Context, id, want string, program []string) (string, error) {
	for {
		out, err := exec.CommandContext(ctx, "docker", append([]string{"exec", id}, program...)...).CombinedOutput()
		said := strings.TrimSpace(string(out))
		if err == nil && said == want || ctx.Err() != nil {
			return said, ctx.Err()
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// plain are the ways to n containers of busybox.
func plain(b *bench, n int) []candidate {
	all := []candidate{{
		name: "nxc", folder: withFile("main.nxc.hcl", fmt.Sprintf(plainNodes, n)),
		up: []string{b.nxc, "apply", "-auto-approve"}, down: []string{b.nxc, "destroy", "-auto-approve"},
	}}
	for _, compose := range b.composes {
		all = append(all, byCompose(compose, withFile("compose.yaml", composeFile(n))))
	}
	return all
}

// systemd are the ways to n nodes of a composition. What is built is built
// before, and evaluations are kept, so that nodes are measured and not Nix.
func systemd(b *bench, n int) (all []candidate, remove func(), err error) {
	source, err := os.MkdirTemp("", "nxcbench")
	remove = func() {
		removeGroups(filepath.Join(source, "out", "compose.yaml"))
		exec.Command("sh", "-c", "docker image ls -q --filter label=org.nxc.image=empty | xargs -r docker rmi").Run()
		os.RemoveAll(source)
	}
	if err != nil {
		return nil, func() {}, err
	}
	files := map[string]string{"main.nxc.hcl": fmt.Sprintf(systemdNodes, n), "composition.nix": systemdRoles}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(source, name), []byte(content), 0o644); err != nil {
			return nil, remove, err
		}
	}
	if err := command(source, []string{b.nxc, "build", "-out", "out"}); err != nil {
		return nil, remove, err
	}
	file, err := os.ReadFile(filepath.Join(source, "out", "compose.yaml"))
	if err != nil {
		return nil, remove, err
	}
	copied := func() (string, error) {
		folder, err := os.MkdirTemp("", "nxcbench")
		for name, content := range files {
			err = errors.Join(err, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644))
		}
		return folder, err
	}
	all = []candidate{{
		name: "nxc", folder: copied, label: "org.nxc.name=bench::docker",
		up: []string{b.nxc, "apply", "-auto-approve"}, down: []string{b.nxc, "destroy", "-auto-approve"},
	}}
	for _, compose := range b.composes {
		c := byCompose(compose, withFile("compose.yaml", string(file)))
		c.label = "com.docker.compose.project=nxcbench"
		all = append(all, c)
	}
	return all, remove, nil
}

// removeGroups removes the empty control groups that Compose leaves behind.
func removeGroups(file string) {
	text, _ := os.ReadFile(file)
	_, after, ok := strings.Cut(string(text), "subnet: ")
	address, _, _ := strings.Cut(strings.Trim(after, "\""), "/")
	if !ok || address == "" {
		return
	}
	for _, pattern := range []string{"nxc-" + address + "-*", "*/nxc-" + address + "-*"} {
		groups, _ := filepath.Glob(filepath.Join("/sys/fs/cgroup", pattern))
		for _, group := range groups {
			exec.Command("find", group, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";").Run()
		}
	}
}

func byCompose(compose []string, folder func() (string, error)) candidate {
	project := append(slices.Clone(compose), "-p", "nxcbench")
	return candidate{
		name: strings.Join(compose, " "), folder: folder,
		up: append(slices.Clone(project), "up", "-d"), down: append(slices.Clone(project), "down"),
	}
}

// withFile makes folders that hold one file.
func withFile(name, content string) func() (string, error) {
	return func() (string, error) {
		folder, err := os.MkdirTemp("", "nxcbench")
		if err != nil {
			return "", err
		}
		return folder, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644)
	}
}

func composeFile(n int) string {
	var b strings.Builder
	b.WriteString("services:\n")
	for i := range n {
		fmt.Fprintf(&b, "  node%d:\n    image: %s\n    command: [/bin/busybox, sleep, \"1000000\"]\n    stop_signal: SIGKILL\n    networks: [lan]\n", i, image)
	}
	b.WriteString("networks:\n  lan: {}\n")
	return b.String()
}

// load makes an image of this machine's static busybox.
func load() error {
	program, err := exec.LookPath("busybox")
	if err != nil {
		return err
	}
	content, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Name: "bin/busybox", Mode: 0o755, Size: int64(len(content))}); err != nil {
		return err
	}
	if _, err := w.Write(content); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	cmd := exec.Command("docker", "import", "-", image)
	cmd.Stdin = &archive
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("docker import: %w: %s", err, out)
	}
	return nil
}
