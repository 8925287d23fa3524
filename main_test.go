package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/nixos-compose/nxc/providers/g5k/simulator"
)

var update = flag.Bool("update", false, "rewrite the golden parts of the scripts in testdata")

// began is when the tests began.
var began = time.Now()

// TestMain lets the test binary be nxc, and a third party's plugin, when a
// script or a test calls them.
func TestMain(m *testing.M) {
	// Scripts wait for systems to boot more than they compute.
	_ = flag.Set("test.parallel", strconv.Itoa(runtime.GOMAXPROCS(0)+1))
	testscript.Main(m, map[string]func(){
		"nxc":               func() { os.Exit(watched()) },
		"nxc-provider-fake": serveFake,
		"nxc-provider-aged": serveAged,
	})
}

// TestScripts specifies the command line: each script is a user's session.
func TestScripts(t *testing.T) { runScripts(t, "testdata/script", setup) }

// TestBootScripts runs the sessions that boot containers and machines.
func TestBootScripts(t *testing.T) { runScripts(t, "testdata/boot", inTime(t)) }

// TestLongScripts runs those that take minutes where machines are emulated.
func TestLongScripts(t *testing.T) { runScripts(t, "testdata/long", inTime(t)) }

// inTime lets no script begin when the tests have taken the time in NXC_BOOT_WITHIN,
// if that is set: on a slow computer they still end, and say what they left out.
func inTime(t *testing.T) func(*testscript.Env) error {
	within, err := time.ParseDuration(cmp.Or(os.Getenv("NXC_BOOT_WITHIN"), "24h"))
	if err != nil {
		t.Fatalf("NXC_BOOT_WITHIN: %v", err)
	}
	return func(e *testscript.Env) error {
		if took := time.Since(began); took > within {
			removeFolder(e.WorkDir)
			e.T().Skip(fmt.Sprintf("the tests have taken %s already; make test-slow runs this", took.Round(time.Second)))
		}
		return setup(e)
	}
}

func runScripts(t *testing.T, dir string, setup func(*testscript.Env) error) {
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		WorkdirRoot:         scriptsFolder(t),
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Condition:           condition,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"composevalid": composeValid, "gobuild": buildCommand, "testbed": testbedCommand},
	})
}

// scriptsFolder is where scripts have their folders. Its path is as long in every
// run, so that messages, which name files, have their lines broken alike.
func scriptsFolder(t *testing.T) string {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("nxc-scripts-%010d", rand.IntN(1e10)))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(dir) })
	return dir
}

// removeFolder removes what a script left in its folder, if nobody asked to keep
// it (-testwork).
func removeFolder(dir string) {
	if keep := flag.Lookup("testwork"); keep != nil && keep.Value.String() == "true" {
		return
	}
	filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			os.Chmod(path, 0o700)
		}
		return nil
	})
	os.RemoveAll(dir)
}

// scriptsBegun counts the scripts that were set up.
var scriptsBegun atomic.Int64

// ownSubnets are a script's own sixteen subnets for its deployments: plans that
// are made in the same moment see the same ones free, and must not choose the
// same. Where they begin is the process's, because others may test here too.
func ownSubnets() string {
	const pools = 512 // in 10.160.0.0/11
	n := (int64(os.Getpid()) + scriptsBegun.Add(1)) % pools
	return fmt.Sprintf("10.%d.%d.0/20", 160+n/16, n%16*16)
}

// ownPort is a port for a script that is nobody's now, from those that the kernel
// gives nobody by itself.
func ownPort() (string, error) {
	for range 1000 {
		port := strconv.Itoa(20000 + int(int64(os.Getpid())+portsTried.Add(1))%10000)
		l, err := net.Listen("tcp", ":"+port)
		if err == nil {
			return port, l.Close()
		}
	}
	return "", errors.New("no port is free")
}

// portsTried counts the ports that ownPort looked at.
var portsTried atomic.Int64

// setup gives every script a home of its own. The stand-in's files and Nix's
// evaluations are shared with the user's cache, which they are made for.
func setup(e *testscript.Env) error {
	e.Defer(func() { removeFolder(e.WorkDir) })
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = filepath.Join(os.TempDir(), "nxc-test-cache")
	}
	e.Setenv("HOME", e.WorkDir)
	e.Setenv("XDG_CACHE_HOME", cache)
	e.Setenv("XDG_STATE_HOME", filepath.Join(e.WorkDir, ".state"))
	e.Setenv("NXC_DOCKER_SUBNETS", ownSubnets())
	port, err := ownPort()
	if err != nil {
		return err
	}
	e.Setenv("PORT", port)
	e.Setenv("NO_COLOR", "1")
	e.Setenv("USER", "tester")
	e.Setenv("TMPDIR", os.TempDir()) // Nix's build users cannot enter a script's own
	for _, name := range []string{"DOCKER_HOST", "NIX_PATH", "NIX_REMOTE"} {
		if v, ok := os.LookupEnv(name); ok {
			e.Setenv(name, v)
		}
	}
	programs, path, _ := strings.Cut(e.Getenv("PATH"), ":")
	only := filepath.Join(e.WorkDir, ".bin") // a PATH that has nxc and nothing else
	if err := os.Mkdir(only, 0o755); err != nil {
		return err
	}
	nxc := filepath.Join(only, "nxc")
	if err := os.Symlink(filepath.Join(programs, "nxc"), nxc); err != nil {
		return err
	}
	repo, err := os.Getwd()
	if err != nil {
		return err
	}
	e.Setenv("REPO", repo)
	e.Setenv("NXC_ONLY", only)
	e.Setenv("AGED", filepath.Join(programs, "nxc-provider-aged"))
	e.Setenv("FAKE", filepath.Join(programs, "nxc-provider-fake")) // for .nxc/plugins of the scripts that want it
	e.Setenv("PATH", strings.Join([]string{only, path, "/usr/local/sbin", "/usr/sbin", "/sbin"}, ":"))
	bed := &testbed{}
	e.Values[testbedValue{}] = bed
	e.Defer(bed.close)
	e.Defer(func() { failOnViolation(e) })
	e.Defer(func() { destroyLeftovers(e, nxc) })
	return nil
}

// destroyLeftovers removes what a script that failed half-way left running.
func destroyLeftovers(e *testscript.Env, nxc string) {
	states, _ := filepath.Glob(filepath.Join(e.WorkDir, "nxc*.state.json"))
	below, _ := filepath.Glob(filepath.Join(e.WorkDir, "*", "nxc*.state.json"))
	for _, file := range append(states, below...) {
		destroy := exec.Command(nxc, "destroy", "-auto-approve")
		destroy.Dir, destroy.Env = filepath.Dir(file), e.Vars
		_ = destroy.Run() // a state that a script broke on purpose cannot be destroyed
	}
}

// condition offers [docker], [nix] and others to scripts that need the real
// thing.
func condition(name string) (bool, error) {
	switch name {
	case "docker":
		return exec.Command("docker", "info").Run() == nil, nil
	case "compose2": // Compose as a plugin of the docker command
		return exec.Command("docker", "compose", "version").Run() == nil, nil
	case "fifty": // a kernel that lets so many containers with systemd boot
		limit, err := os.ReadFile("/proc/sys/fs/inotify/max_user_instances")
		allowed, _ := strconv.Atoi(strings.TrimSpace(string(limit)))
		return err != nil || allowed >= 1024, nil
	case "netem": // a kernel that can delay packets, and the right to ask it
		return exec.Command("unshare", "-n", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms").Run() == nil, nil
	case "slow": // what costs minutes and differs little from what is tested always
		return os.Getenv("NXC_SLOW") != "", nil
	case "root":
		return os.Geteuid() == 0, nil
	case "sandbox": // what Nix's own needs, for root
		return os.Geteuid() == 0 && exec.Command("unshare", "--mount", "--pid", "--fork", "--net", "true").Run() == nil, nil
	case "namespaces": // nodes of a testbed that are network namespaces
		return simulator.Available(simulator.Namespace) == nil, nil
	case "qemu":
		_, err := exec.LookPath("qemu-system-x86_64")
		return err == nil && !testing.Short(), nil
	case "nix":
		_, err := exec.LookPath("nix-instantiate")
		return err == nil, nil
	}
	return false, nil
}
