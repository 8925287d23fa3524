//go:build ignore

// This program measures how soon containers run: the same image, command and
// network, brought up and removed by nxc and by docker-compose in one run.
//
// usage: go run .ci/bench_docker.go NXC [N…]
package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const image = "nxc-bench:latest"

const configuration = `resource "docker_network" "lan" {
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

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("usage: go run .ci/bench_docker.go NXC [N…]")
	}
	nxc, err := filepath.Abs(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for _, need := range []string{"docker", "docker-compose", "busybox"} {
		if _, err := exec.LookPath(need); err != nil {
			fmt.Println("containers: not measured:", err)
			return
		}
	}
	sizes := []string{"20", "50"}
	if len(os.Args) > 2 {
		sizes = os.Args[2:]
	}
	if err := measure(nxc, sizes); err != nil {
		log.Fatal(err)
	}
}

func measure(nxc string, sizes []string) error {
	if err := load(); err != nil {
		return err
	}
	defer exec.Command("docker", "rmi", image).Run()
	fmt.Printf("%10s  %-16s %9s %9s\n", "containers", "by", "up", "down")
	for _, size := range sizes {
		n, err := strconv.Atoi(size)
		if err != nil {
			return err
		}
		ours, err := scenario(n, "main.nxc.hcl", fmt.Sprintf(configuration, n),
			[]string{nxc, "apply", "-auto-approve"}, []string{nxc, "destroy", "-auto-approve"})
		if err != nil {
			return err
		}
		theirs, err := scenario(n, "compose.yaml", compose(n),
			[]string{"docker-compose", "up", "-d"}, []string{"docker-compose", "down"})
		if err != nil {
			return err
		}
		fmt.Printf("%10d  %-16s %8.2f× %8.2f×\n", n, "nxc / compose", ours[0].Seconds()/theirs[0].Seconds(), ours[1].Seconds()/theirs[1].Seconds())
	}
	return nil
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

func compose(n int) string {
	var b strings.Builder
	b.WriteString("services:\n")
	for i := range n {
		fmt.Fprintf(&b, "  node%d:\n    image: %s\n    command: [/bin/busybox, sleep, \"1000000\"]\n    stop_signal: SIGKILL\n    networks: [lan]\n", i, image)
	}
	b.WriteString("networks:\n  lan: {}\n")
	return b.String()
}

// scenario runs up and down in a folder that holds one file, and says how long
// each took. What fails half-way is taken down as well.
func scenario(n int, file, content string, up, down []string) (took [2]time.Duration, err error) {
	folder, err := os.MkdirTemp("", "nxcbench")
	if err != nil {
		return took, err
	}
	defer os.RemoveAll(folder)
	if err := os.WriteFile(filepath.Join(folder, file), []byte(content), 0o644); err != nil {
		return took, err
	}
	for i, command := range [][]string{up, down} {
		cmd := exec.Command(command[0], command[1:]...)
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+folder, "COMPOSE_HTTP_TIMEOUT=300")
		begun := time.Now()
		out, runErr := cmd.CombinedOutput()
		took[i] = time.Since(begun)
		if runErr != nil && err == nil {
			err = fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), runErr, out)
		}
	}
	if err == nil {
		fmt.Printf("%10d  %-16s %8.2fs %8.2fs\n", n, filepath.Base(up[0]), took[0].Seconds(), took[1].Seconds())
	}
	return took, err
}
