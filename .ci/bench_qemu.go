//go:build ignore

// This program measures how soon machines are ready: the same kernel, initrd,
// systems, contexts and processor, brought up by nxc, and by a shell script
// that starts bare QEMU processes. Ready is the same in both: a command by ssh
// has answered with the machine's boot token. Both are measured in one run, in
// turn; what counts is the median. The time of the processors, of machines and
// all that is around them, tells more where others use this host as well.
//
// usage: go run .ci/bench_qemu.go NXC [MACHINES [RUNS]]
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const configuration = `composition "bench" {
  source  = "./composition.nix"
  nixpkgs = "embedded"
  roles   = { node = %d }
  flavour "vm-ramdisk" {}
}
`

const composition = `{ pkgs, ... }: { roles.node = { }; }`

// bare is what one would write without nxc. QEMU's own user network takes the
// place of nxc's switch, which bare processes cannot share without privilege.
const bare = `
n=$1 kernel=$2 initrd=$3 accel=$4 cpu=$5 append=$6
ready() { # ready I PORT
	until [ "$(ssh -q -F none -i id -p "$2" -o BatchMode=yes -o ConnectTimeout=20 -o UserKnownHostsFile=known \
		-o HostKeyAlias="node$1" root@127.0.0.1 cat /etc/nxc/private/boot_token </dev/null 2>/dev/null)" = "$(cat "token$1")" ]; do
		kill -0 "$(cat "pid$1")" || exit 1
		sleep 0.25
	done
}
for i in $(seq "$n"); do
	cat "$initrd" "context$i" >"initrd$i"
	qemu-system-x86_64 -daemonize -pidfile "pid$i" -machine q35 -accel "$accel" -cpu "$cpu" -m 512M -smp 1 \
		-nodefaults -no-user-config -display none -serial "file:serial$i" -device virtio-rng-pci \
		-kernel "$kernel" -initrd "$PWD/initrd$i" -append "$append" \
		-netdev "user,id=net,hostfwd=tcp:127.0.0.1:$(cat "port$i")-:22" -device virtio-net-pci,netdev=net,romfile=
done
for i in $(seq "$n"); do
	ready "$i" "$(cat "port$i")" &
	waiting="${waiting:-} $!"
done
for pid in $waiting; do wait "$pid" || exit 1; done
`

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("usage: go run .ci/bench_qemu.go NXC [MACHINES [RUNS]]")
	}
	nxc, err := filepath.Abs(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for _, need := range []string{"qemu-system-x86_64", "nix-build", "ssh"} {
		if _, err := exec.LookPath(need); err != nil {
			fmt.Println("machines: not measured:", err)
			return
		}
	}
	numbers := [2]int{8, 5}
	for i, text := range os.Args[2:] {
		if numbers[i], err = strconv.Atoi(text); err != nil {
			log.Fatal(err)
		}
	}
	// Who interrupts ends what runs, and what it started is removed as always.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt, syscall.SIGTERM)
	folder, err := os.MkdirTemp("", "nxcbench")
	if err == nil {
		b := bench{nxc: nxc, folder: folder, machines: numbers[0]}
		err = errors.Join(b.measure(numbers[1]), os.RemoveAll(folder))
	}
	if err != nil {
		log.Fatal(err)
	}
}

type bench struct {
	nxc, folder string
	machines    int
}

func (b bench) measure(runs int) error {
	for name, text := range map[string]string{"main.nxc.hcl": fmt.Sprintf(configuration, b.machines), "composition.nix": composition} {
		if err := os.WriteFile(filepath.Join(b.folder, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if _, err := b.run("build"); err != nil { // both find the image built
		return err
	}
	fmt.Printf("%10s  %-16s %9s %9s\n", "machines", "by", "ready", "CPU")
	var ratios, loads []float64
	for range runs {
		ours, theirs, err := b.both()
		if err != nil {
			return err
		}
		for i, one := range []cost{ours, theirs} {
			fmt.Printf("%10d  %-16s %8.2fs %8.2fs\n", b.machines, [...]string{"nxc", "bare QEMU"}[i], one.took.Seconds(), one.cpu.Seconds())
		}
		ratios = append(ratios, ours.took.Seconds()/theirs.took.Seconds())
		loads = append(loads, ours.cpu.Seconds()/theirs.cpu.Seconds())
	}
	slices.Sort(ratios)
	slices.Sort(loads)
	fmt.Printf("%10d  %-16s %8.2f× %8.2f×\n", b.machines, "nxc / bare", ratios[runs/2], loads[runs/2])
	return nil
}

// cost is what it took until all machines were ready.
type cost struct{ took, cpu time.Duration }

// both brings the machines up with nxc, notes what they were given, takes them
// down, and brings the same up without.
func (b bench) both() (ours, theirs cost, err error) {
	ours, err = b.run("apply", "-auto-approve")
	var arguments []string
	if err == nil {
		arguments, err = b.prepare()
	}
	_, destroyed := b.run("destroy", "-auto-approve")
	if err = errors.Join(err, destroyed); err != nil {
		return ours, theirs, err
	}
	cmd := exec.Command("sh", append([]string{"-eu", "-c", bare, "bare"}, arguments...)...)
	cmd.Dir = b.folder
	theirs, err = b.timed(cmd)
	b.endBare()
	return ours, theirs, err
}

// timed runs a command and says what it cost, with what it left running.
func (b bench) timed(cmd *exec.Cmd) (cost, error) {
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	begun := time.Now()
	err := cmd.Run()
	c := cost{took: time.Since(begun)}
	if err != nil {
		return c, fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, said.Bytes())
	}
	c.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime() + b.running()
	return c, nil
}

// running is the time of processors that the processes took that name our
// folder: machines, and a switch.
func (b bench) running() time.Duration {
	var ticks int64
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		line, _ := os.ReadFile(file)
		if !bytes.Contains(line, []byte(b.folder)) {
			continue
		}
		stat, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "stat"))
		_, rest, _ := strings.Cut(string(stat), ") ")
		if fields := strings.Fields(rest); len(fields) > 12 {
			for _, field := range fields[11:13] {
				n, _ := strconv.ParseInt(field, 10, 64)
				ticks += n
			}
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond // Linux shows hundredths
}

func (b bench) run(arguments ...string) (cost, error) {
	cmd := exec.Command(b.nxc, arguments...)
	cmd.Dir, cmd.Env = b.folder, append(os.Environ(), "XDG_STATE_HOME="+b.folder)
	return b.timed(cmd)
}

// machine is what nxc keeps of one: what the script starts, too.
type machine struct {
	UUID   string
	Object struct {
		Kernel, Initrd, Accelerator string
		KernelParams                []string
	}
}

type contextFile struct {
	Path    string
	Content []byte
	Mode    int64
	Private bool
}

// prepare writes for each machine its context, boot token, host key and a free
// port, and returns the script's arguments.
func (b bench) prepare() ([]string, error) {
	folders, err := filepath.Glob(filepath.Join(b.folder, "nxc", "*", "*", "providers", "qemu", "m-*"))
	if err != nil || len(folders) != b.machines {
		return nil, fmt.Errorf("nxc keeps %d machines (%v)", len(folders), err)
	}
	var m machine
	var known bytes.Buffer
	for i, folder := range folders {
		var files []contextFile
		if err := errors.Join(readJSON(filepath.Join(folder, "object.json"), &m), readJSON(filepath.Join(folder, "context.json"), &files)); err != nil {
			return nil, err
		}
		number := strconv.Itoa(i + 1)
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		written := map[string][]byte{"context": archive(files), "port": []byte(port)}
		for _, f := range files {
			switch path.Base(f.Path) {
			case "boot_token":
				written["token"] = f.Content
			case "ssh_host_ed25519_key.pub":
				fmt.Fprintf(&known, "node%s %s\n", number, bytes.TrimSpace(f.Content))
			}
		}
		for name, content := range written {
			if err := os.WriteFile(filepath.Join(b.folder, name+number), content, 0o600); err != nil {
				return nil, err
			}
		}
	}
	keys, err := filepath.Glob(filepath.Join(b.folder, "nxc", "*", "*", "keys", m.UUID, "id_ed25519"))
	if err != nil || len(keys) != 1 {
		return nil, fmt.Errorf("nxc keeps %d keys (%v)", len(keys), err)
	}
	key, err := os.ReadFile(keys[0])
	if err != nil {
		return nil, err
	}
	if err := errors.Join(os.WriteFile(filepath.Join(b.folder, "id"), key, 0o600), os.WriteFile(filepath.Join(b.folder, "known"), known.Bytes(), 0o600)); err != nil {
		return nil, err
	}
	cpu, params := "host", []string{"console=ttyS0", "net.ifnames=0", "systemd.gpt_auto=0", "systemd.show_status=yes"}
	if m.Object.Accelerator == "tcg" {
		cpu, params = "max", append(params, "mitigations=off", "tsc=reliable", "no_timer_check", "loglevel=4")
	}
	params = append(params, m.Object.KernelParams...)
	return []string{strconv.Itoa(b.machines), m.Object.Kernel, m.Object.Initrd, m.Object.Accelerator, cpu, strings.Join(params, " ")}, nil
}

func readJSON(file string, value any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, value)
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}

// archive packs a context as the kernel unpacks it behind an initrd, whose
// length nxc makes a multiple of four.
func archive(files []contextFile) []byte {
	var b bytes.Buffer
	inode := 0
	add := func(name string, mode int64, content []byte) {
		inode++
		fmt.Fprintf(&b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
			inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0, name)
		b.Write(make([]byte, -b.Len()&3))
		b.Write(content)
		b.Write(make([]byte, -b.Len()&3))
	}
	made := map[string]bool{}
	for _, f := range files {
		name := path.Join("nxc-context", f.Path)
		for i, letter := range name {
			if letter == '/' && !made[name[:i]] {
				made[name[:i]] = true
				add(name[:i], 0o040755, nil)
			}
		}
		mode := f.Mode & 0o7777
		switch {
		case f.Private:
			mode = 0o600
		case mode == 0:
			mode = 0o644
		}
		add(name, 0o100000|mode, f.Content)
	}
	add("TRAILER!!!", 0, nil)
	return b.Bytes()
}

// endBare ends what the script started.
func (b bench) endBare() {
	for i := range b.machines {
		file := filepath.Join(b.folder, fmt.Sprint("pid", i+1))
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			if p, err := os.FindProcess(pid); err == nil {
				_ = p.Kill()
			}
		}
		os.Remove(file)
	}
}
