package qemu

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/providers/qemu/lan"
)

// pair is two machines of one network.
type pair struct {
	*testing.T
	machines
	network *Network
	ops     [2]sdk.Operation
	nodes   [2]*Machine
}

func newPair(t *testing.T) *pair {
	image := needMachines(t)
	h := newHost(t)
	uuid := newUUID()
	p := &pair{T: t, machines: machines{h}, network: newNetwork(t, h, uuid)}
	keys := newKeys(t, filepath.Join(h.folders.Keys, uuid))
	var both sync.WaitGroup
	for i, name := range []string{"one", "two"} {
		p.ops[i] = operation(uuid, "qemu_machine."+name, "1")
		p.ops[i].Context = keys.context(t, name)
		p.nodes[i] = &Machine{
			Name: name, Kernel: image + "/kernel", Initrd: image + "/initrd", Memory: "384M",
			Network: p.network.ID, IP: fmt.Sprintf("10.97.0.%d", i+2),
		}
		if i == 1 {
			p.nodes[i].Forwards = []Forward{{Listen: "127.0.0.1", Host: freePort(t), Port: 80}}
		}
		t.Cleanup(func() {
			if err := p.Delete(context.WithoutCancel(t.Context()), p.ops[i], p.nodes[i]); err != nil {
				t.Error(err)
			}
		})
		both.Go(func() {
			if err := p.Create(t.Context(), p.ops[i], p.nodes[i]); err != nil {
				t.Errorf("create %s: %v", name, err)
			}
		})
	}
	both.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return p
}

// shell runs a script on a node and returns what it printed.
func (p *pair) shell(i int, script string) (string, int) {
	p.Helper()
	var out bytes.Buffer
	exit, err := p.Exec(p.Context(), p.ops[i], p.nodes[i], plugins.Process{Command: []string{"sh", "-c", script}, Stdout: &out, Stderr: &out})
	if err != nil {
		p.Fatalf("%s on %s: %v", script, p.nodes[i].Name, err)
	}
	return out.String(), exit
}

func (p *pair) link(i int, l plugins.Link) {
	p.Helper()
	if err := p.Link(p.Context(), p.ops[i], p.nodes[i], l); err != nil {
		p.Fatal(err)
	}
}

// tell brings a file of a node's context up to date.
func (p *pair) tell(i int, news string) {
	p.Helper()
	files := []plugins.ContextFile{{Path: "/etc/nxc/news", Content: []byte(news)}}
	if err := p.SetContext(p.Context(), p.ops[i], p.nodes[i], plugins.Context{Files: files}); err != nil {
		p.Fatal(err)
	}
}

func (p *pair) power(i int, a plugins.PowerAction) {
	p.Helper()
	if err := p.Power(p.Context(), p.ops[i], p.nodes[i], a); err != nil {
		p.Fatalf("%s: %v", a, err)
	}
}

// roundTrip is ping's shortest time in milliseconds; it fails when nothing comes
// back within so many seconds.
func (p *pair) roundTrip(patience int) (float64, bool) {
	out, exit := p.shell(0, fmt.Sprintf("ping -c 2 -W %d two", patience))
	shortest := regexp.MustCompile(`= ([0-9.]+)/`).FindStringSubmatch(out)
	if exit != 0 || shortest == nil {
		return 0, false
	}
	ms, err := strconv.ParseFloat(shortest[1], 64)
	if err != nil {
		p.Fatal(err)
	}
	return ms, true
}

// TestMachines lives through a day of two machines. Its steps stand on each
// other, because starting a machine is dear.
func TestMachines(t *testing.T) {
	p := newPair(t)
	t.Log("names resolve, links change")
	before, ok := p.roundTrip(60)
	if !ok {
		t.Fatal("two does not answer ping")
	}
	p.link(1, plugins.Link{Delay: 400 * time.Millisecond})
	if ms, ok := p.roundTrip(60); !ok || ms < 390 {
		t.Errorf("with a delay of 400 ms ping takes %.0f ms (%v); before, %.0f ms", ms, ok, before)
	}
	p.link(1, plugins.Link{Block: true})
	if _, ok := p.roundTrip(1); ok {
		t.Error("a blocked machine answers ping")
	}
	if out, _ := p.shell(1, "echo here"); out != "here\n" {
		t.Errorf("a blocked machine's ssh says %q", out)
	}
	p.link(1, plugins.Link{})
	if _, ok := p.roundTrip(60); !ok {
		t.Error("a machine that is unblocked does not answer ping")
	}
	p.forwarded()
	p.killedSwitch()
	p.liveConsole()
	p.killedMachine()
	p.resetAndStop()
}

// forwarded fetches a page from this machine.
func (p *pair) forwarded() {
	p.shell(1, "mkdir -p /tmp/w && echo hello >/tmp/w/index.html && /usr/bin/busybox httpd -p 80 -h /tmp/w")
	url := fmt.Sprintf("http://127.0.0.1:%d/", p.nodes[1].Forwards[0].Host)
	for range 300 {
		r, err := http.Get(url)
		if err == nil {
			text, _ := io.ReadAll(r.Body)
			r.Body.Close()
			if string(text) != "hello\n" {
				p.Errorf("the forwarded port gives %q", text)
			}
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	p.Error("the forwarded port leads nowhere")
}

// killedSwitch ends the switch, which heals with the next command.
func (p *pair) killedSwitch() {
	pid := findProcess(switchProgram, p.network.ID)
	if err := kill(p.Context(), pid, switchProgram, p.network.ID); err != nil {
		p.Fatal(err)
	}
	read := *p.network
	if there, err := (networks{p.host}).Read(p.Context(), operation(p.ops[0].UUID, "", ""), &read); err != nil || !there || read.Running {
		p.Errorf("a killed switch reads as there %v, running %v, %v", there, read.Running, err)
	}
	if out, _ := p.shell(0, "echo healed"); out != "healed\n" {
		p.Errorf("after the switch was killed: %q", out)
	}
	if _, ok := p.roundTrip(60); !ok {
		p.Error("after the switch was killed, machines do not reach each other")
	}
}

// liveConsole types into the serial console.
func (p *pair) liveConsole() {
	ctx, cancel := context.WithTimeout(p.Context(), 2*time.Minute)
	defer cancel()
	input, typed := io.Pipe()
	output, shown := io.Pipe()
	go func() {
		fmt.Fprintf(typed, "\necho con''sole\n")
	}()
	ended := make(chan error, 1)
	go func() {
		ended <- p.Console(ctx, p.ops[0], p.nodes[0], plugins.Console{Tail: 0, Input: input, Output: shown})
		shown.Close()
	}()
	seen := make([]byte, 0, 4096)
	for buffer := make([]byte, 256); !bytes.Contains(seen, []byte("\rconsole")); {
		n, err := output.Read(buffer)
		seen = append(seen, buffer[:n]...)
		if err != nil {
			p.Errorf("the console ended (%v) after %q", err, seen)
			break
		}
	}
	go io.Copy(io.Discard, output)
	typed.Close() // detach
	if err := <-ended; err != nil {
		p.Errorf("detaching from the console: %v", err)
	}
}

// killedMachine ends a QEMU; the plan sees it, and apply starts it again.
func (p *pair) killedMachine() {
	have := *p.nodes[1]
	if err := p.crash(p.Context(), &have); err != nil {
		p.Fatal(err)
	}
	there, err := p.Read(p.Context(), operation(p.ops[1].UUID, "", ""), &have)
	if err != nil || !there || have.Running {
		p.Errorf("a killed machine reads as there %v, running %v, %v", there, have.Running, err)
	}
	p.tell(1, "news\n") // while it is down
	if err := p.Update(p.Context(), p.ops[1], have, p.nodes[1]); err != nil {
		p.Fatalf("start it again: %v", err)
	}
	if out, _ := p.shell(1, "cat /etc/nxc/news"); out != "news\n" {
		p.Errorf("what it was told while it was down: %q", out)
	}
	if _, ok := p.roundTrip(60); !ok {
		p.Error("a machine that was started again does not answer ping")
	}
}

func (p *pair) resetAndStop() {
	before, _ := p.shell(1, "cat /proc/sys/kernel/random/boot_id")
	p.power(1, plugins.PowerReset)
	if after, _ := p.shell(1, "cat /proc/sys/kernel/random/boot_id"); after == before {
		p.Error("a reset machine has the same boot id")
	}
	// QEMU keeps what it was started with: a node that was told something since
	// has another QEMU at its next reset.
	if p.outdated(p.nodes[1]) {
		p.Error("a machine that was told nothing new counts as outdated")
	}
	p.tell(1, "other news\n")
	if !p.outdated(p.nodes[1]) {
		p.Error("a machine whose context has changed does not count as outdated")
	}
	p.power(0, plugins.PowerPause)
	p.power(0, plugins.PowerUnpause)
	p.power(0, plugins.PowerCrash)
	if p.runs(p.Context(), p.nodes[0]) {
		p.Error("a crashed machine runs")
	}
	if _, err := p.Exec(p.Context(), p.ops[0], p.nodes[0], plugins.Process{Command: []string{"true"}}); err == nil || !strings.Contains(err.Error(), "does not run") {
		p.Errorf("exec on a machine that was crashed: %v", err)
	}
	if log, err := os.ReadFile(filepath.Join(p.folderOf(kindMachine, p.nodes[1].ID), serialFile)); err != nil || !bytes.Contains(log, []byte("nxc: phase system")) {
		p.Errorf("the serial log: %v, %d bytes", err, len(log))
	}
	if _, err := lan.Plugged(p.folderOf(kindNetwork, p.network.ID), p.nodes[0].ID+"-0"); err != nil {
		p.Errorf("the port of a machine that was crashed: %v", err)
	}
}
