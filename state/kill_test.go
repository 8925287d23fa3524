package state

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nixos-compose/nxc/internal/addr"
)

// TestMain lets the test binary be a command that is killed: see worker.
func TestMain(m *testing.M) {
	if os.Getenv("NXC_TEST_WORKER") != "" {
		if err := worker(); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// worker creates resources of a deployment, several at a time, and says on its
// standard output what is durable, a line each.
func worker() error {
	env := os.Getenv
	s, err := Open(context.Background(), Options{
		Dir: env("NXC_TEST_DIR"), StateHome: env("NXC_TEST_HOME"), Command: "nxc worker", LockTimeout: time.Minute,
	})
	if err != nil {
		return err
	}
	d := addr.Deployment{Composition: "web", Flavour: env("NXC_TEST_FLAVOUR")}
	x, err := s.Begin(context.Background(), BeginOptions{Change: []addr.Deployment{d}})
	if err != nil {
		return err
	}
	if x.Deployment(d) == nil {
		if err := x.SetDeployment(&Deployment{Name: d, UUID: NewUUID(), Providers: dockerProvider()}); err != nil {
			return err
		}
	}
	count, _ := strconv.Atoi(env("NXC_TEST_COUNT"))
	work := make(chan int)
	var wg sync.WaitGroup
	var out sync.Mutex
	say := func(what string, a addr.Instance, attempt string) {
		out.Lock()
		defer out.Unlock()
		fmt.Println(what, attempt, a)
	}
	for range 4 {
		wg.Go(func() {
			for n := range work {
				a := addr.In(d, "docker_container", fmt.Sprintf("%s-%d", env("NXC_TEST_ROUND"), n))
				if err := workOn(x, a, say); err != nil {
					panic(err)
				}
			}
		})
	}
	for n := range count {
		work <- n
	}
	close(work)
	wg.Wait()
	if err := x.End(context.Background()); err != nil {
		return err
	}
	fmt.Println("end")
	return nil
}

func workOn(x *Session, a addr.Instance, say func(string, addr.Instance, string)) error {
	i := Incarnation{Provider: "docker", Attempt: NewAttempt(), Asked: []byte(`{"name":"n"}`)}
	if err := x.Intent(Intent{Address: a, Action: Create, Attempt: i.Attempt, Planned: &i, ProviderName: "docker"}); err != nil {
		return err
	}
	say("intent", a, i.Attempt)
	made := i
	made.Observed = []byte(`{"id":"x"}`)
	if err := x.Result(Result{Address: a, Attempt: i.Attempt, Resource: &Resource{Address: a, Incarnation: made}}); err != nil {
		return err
	}
	say("result", a, i.Attempt)
	return nil
}

// process is a worker that runs.
type process struct {
	cmd   *exec.Cmd
	lines chan []string
}

func start(t *testing.T, f folder, flavour, round string, count int) *process {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "NXC_TEST_WORKER=1", "NXC_TEST_DIR="+f.dir, "NXC_TEST_HOME="+f.home,
		"NXC_TEST_FLAVOUR="+flavour, "NXC_TEST_ROUND="+round, "NXC_TEST_COUNT="+strconv.Itoa(count))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	p := &process{cmd: cmd, lines: make(chan []string, 10000)}
	go func() {
		defer close(p.lines)
		for in := bufio.NewScanner(out); in.Scan(); {
			p.lines <- strings.SplitN(in.Text(), " ", 3)
		}
	}()
	return p
}

// TestKills kills a command again and again, at random moments. Whatever it
// said to be durable is there afterwards: a result in the state, an intent
// answered or open.
func TestKills(t *testing.T) {
	f := newFolder(t)
	random := rand.New(rand.NewPCG(1, 2))
	intents, results := map[string]string{}, map[string]string{}
	ended := 0
	rounds := 25
	if testing.Short() {
		rounds = 5
	}
	for round := range rounds {
		p := start(t, f, "docker", fmt.Sprintf("r%d", round), 12)
		kill := time.AfterFunc(time.Duration(random.IntN(60000))*time.Microsecond, func() { _ = p.cmd.Process.Kill() })
		for line := range p.lines {
			switch line[0] {
			case "intent":
				intents[line[1]] = line[2]
			case "result":
				results[line[1]] = line[2]
			case "error":
				t.Fatal(line)
			case "end":
				ended++
			}
		}
		_ = p.cmd.Wait()
		kill.Stop()

		snap := load(t, f.open(t))
		must(t, snap.State.Verify())
		open := map[string]bool{}
		for _, r := range snap.Recovered {
			if r.Verdict == OtherBase || r.Verdict == Lost {
				t.Fatalf("round %d: %s of %s", round, r.Verdict, r.Journal)
			}
			for _, i := range r.Open {
				open[i.Attempt] = true
			}
		}
		there := map[string]string{}
		for _, r := range snap.State.Resources() {
			there[r.Attempt] = r.Address.String()
		}
		for attempt, address := range results {
			if there[attempt] != address {
				t.Fatalf("round %d: the result of %s at %s is lost", round, attempt, address)
			}
		}
		for attempt, address := range intents {
			if there[attempt] != address && !open[attempt] {
				t.Fatalf("round %d: the intent %s at %s is lost", round, attempt, address)
			}
		}
	}
	t.Logf("%d of %d commands ended by themselves, %d results, %d intents", ended, rounds, len(results), len(intents))
}

// TestProcessesSideBySide runs commands on one folder at once, from nothing:
// two on deployments of their own, and two that want the same.
func TestProcessesSideBySide(t *testing.T) {
	f := newFolder(t)
	var all []*process
	for n, flavour := range []string{"docker", "vm", "docker", "vm"} {
		all = append(all, start(t, f, flavour, fmt.Sprintf("p%d", n), 5))
	}
	for _, p := range all {
		for line := range p.lines {
			if line[0] == "error" {
				t.Error(line)
			}
		}
		if err := p.cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	snap := load(t, f.open(t))
	if snap.State.Len() != 20 || len(snap.State.Open)+len(snap.Recovered) != 0 || snap.Ownership.Kind != Own {
		t.Errorf("got %d resources, %v open, %+v", snap.State.Len(), snap.State.Open, snap.Recovered)
	}
}
