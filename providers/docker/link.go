package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Link changes the quality of a container's network. The engine cannot, so the
// kernel is told where the engine's host is this machine and we are root: tc, in
// the container's network namespace, shapes what the container sends, and a
// blocked one has its cable pulled: the host's end of it is taken down.
func (c containers) Link(ctx context.Context, op sdk.Operation, have *Container, l plugins.Link) error {
	if !c.sameHost() || os.Geteuid() != 0 {
		return sdk.Error(fmt.Sprintf("The network of %s cannot be changed from here", have.Name),
			"The Docker engine has no word for it, so it takes root on the engine's own machine. Run nxc there, as root.")
	}
	seen, err := c.seek(ctx, op, have)
	if err != nil {
		return err
	}
	if seen == nil || !seen.State.Running {
		return sdk.Error(fmt.Sprintf("%s does not run", have.Name), "Its network is there only while it runs. Start it with nxc start.")
	}
	cables, err := cablesOf(seen.State.Pid)
	if err != nil {
		return fmt.Errorf("look at the network of %s: %w", have.Name, err)
	}
	if len(cables) == 0 {
		return sdk.Error(fmt.Sprintf("%s has no network of its own", have.Name), "It shares the host's, or has none; there is nothing to change.")
	}
	for _, cable := range cables {
		if err := raise(cable.outside, !l.Block); err != nil {
			return fmt.Errorf("switch the cable %s of %s: %w", cable.outside, have.Name, err)
		}
		if err := shape(ctx, seen.State.Pid, cable.inside, l); err != nil {
			return err
		}
	}
	return nil
}

// cable is a pair of interfaces: the container's, and its end on the host.
type cable struct{ inside, outside string }

// cablesOf finds the cables of the container whose first process is pid.
func cablesOf(pid int) ([]cable, error) {
	folder := fmt.Sprintf("/proc/%d/root/sys/class/net", pid)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	outside, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var cables []cable
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(folder, e.Name(), "iflink"))
		if err != nil {
			continue // a file beside the interfaces
		}
		other, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		i := slices.IndexFunc(outside, func(i net.Interface) bool { return i.Index == other && strings.HasPrefix(i.Name, "veth") })
		if i >= 0 && e.Name() != "lo" {
			cables = append(cables, cable{e.Name(), outside[i].Name})
		}
	}
	return cables, nil
}

// raise takes an interface of this machine up or down.
func raise(name string, up bool) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(socket, unix.SIOCGIFFLAGS, request); err != nil {
		return err
	}
	flags := request.Uint16() &^ unix.IFF_UP
	if up {
		flags |= unix.IFF_UP
	}
	if flags == request.Uint16() {
		return nil
	}
	request.SetUint16(flags)
	return unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request)
}

// shape tells the kernel how a container's interface sends.
func shape(ctx context.Context, pid int, name string, l plugins.Link) error {
	words := shapeWords(l)
	if words == nil {
		out, err := tcInside(ctx, pid, "qdisc", "del", "dev", name, "root")
		if err != nil && (strings.Contains(out, "No such file") || strings.Contains(out, "handle of zero") || strings.Contains(out, "Invalid handle")) {
			return nil // it was never shaped
		}
		return explainShape(out, err)
	}
	out, err := tcInside(ctx, pid, append([]string{"qdisc", "replace", "dev", name, "root"}, words...)...)
	return explainShape(out, err)
}

// shapeWords are tc's for a quality; nil for a perfect one. A rate alone needs
// less of the kernel than a delay or a loss.
func shapeWords(l plugins.Link) []string {
	rate := fmt.Sprintf("%dbit", l.Rate)
	switch {
	case l.Delay == 0 && l.Loss == 0 && l.Rate == 0:
		return nil
	case l.Delay == 0 && l.Loss == 0:
		return []string{"tbf", "rate", rate, "burst", strconv.FormatInt(max(l.Rate/8/250, 4096), 10), "latency", "400ms"}
	}
	words := []string{"netem"}
	if l.Delay > 0 {
		words = append(words, "delay", fmt.Sprintf("%dus", l.Delay.Microseconds()))
	}
	if l.Loss > 0 {
		words = append(words, "loss", strconv.FormatFloat(l.Loss*100, 'f', -1, 64)+"%")
	}
	if l.Rate > 0 {
		words = append(words, "rate", rate)
	}
	return words
}

func explainShape(out string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, exec.ErrNotFound):
		return sdk.Error("There is no tc here", "The quality of a network is changed with tc. On Debian and Ubuntu: apt-get install iproute2.")
	case strings.Contains(out, "qdisc kind is unknown"):
		return sdk.Error("The kernel cannot delay or lose packets", "It lacks sch_netem. Load it with: modprobe sch_netem; some distributions have it in a package of extra modules. -rate alone and -block work without it.")
	}
	return fmt.Errorf("tc: %w: %s", err, strings.TrimSpace(out))
}

// tcInside runs this machine's tc in the network namespace of a process. A
// child is in the namespace of the thread that starts it; the thread is not used
// again, because it is not unlocked.
func tcInside(ctx context.Context, pid int, args ...string) (out string, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		var namespace *os.File
		if namespace, err = os.Open(fmt.Sprintf("/proc/%d/ns/net", pid)); err != nil {
			return
		}
		defer namespace.Close()
		if err = unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
			return
		}
		var text bytes.Buffer
		cmd := exec.CommandContext(ctx, "tc", args...)
		cmd.Stdout, cmd.Stderr = &text, &text
		err = cmd.Run()
		out = text.String()
	}()
	<-done
	return out, err
}
