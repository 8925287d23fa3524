package docker

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// start starts a container, waits until its system is up, and takes over what
// the engine then says of it. It returns a warning when units failed.
func (c containers) start(ctx context.Context, op sdk.Operation, have *Container) error {
	op.Phase("starting the container")
	if _, err := c.client.ContainerStart(ctx, have.ID, client.ContainerStartOptions{}); err != nil {
		return c.explainStart(ctx, have, err)
	}
	var warning error
	if have.Systemd {
		if err := c.awaitSystemd(ctx, op, have); err != nil {
			var d plugins.Diagnostics
			if !errors.As(err, &d) || d.HasErrors() {
				return c.withLog(ctx, have, err)
			}
			warning = err
		}
	}
	seen, err := c.client.ContainerInspect(ctx, have.ID, client.ContainerInspectOptions{})
	if err != nil {
		return fmt.Errorf("read container %s: %w", have.ContainerName, err)
	}
	if err := c.identifyNetworks(ctx, &seen.Container); err != nil {
		return err
	}
	have.observe(&seen.Container, c.info.MemTotal)
	if !have.Running {
		return c.withLog(ctx, have, sdk.Error(fmt.Sprintf("%s ended at once", have.Name),
			fmt.Sprintf("Its command exited with status %d.", seen.Container.State.ExitCode)))
	}
	return warning
}

// explainStart says why a container did not start.
func (c containers) explainStart(ctx context.Context, have *Container, err error) error {
	if taken := c.portTaken(ctx, have, err); taken != nil {
		return taken
	}
	if missing := hardwareMissing(have, err); missing != nil {
		return missing
	}
	if missing := networkMissing(have, err); missing != nil {
		return missing
	}
	text := err.Error()
	switch {
	case strings.Contains(text, "Address already in use"):
		return sdk.AttributeError("ip", fmt.Sprintf("The address %s is taken", have.IP), c.addressHolder(ctx, have))
	case strings.Contains(text, "no such file or directory") && len(commandOf(*have)) > 0:
		return sdk.Error(fmt.Sprintf("%s cannot be started", have.Name),
			fmt.Sprintf("The container does not see %s: %s. The engine must be on the machine where the system was built, because it mounts that machine's files.", cmp.Or(have.System, commandOf(*have)[0]), text))
	}
	return fmt.Errorf("start container %s: %w", have.ContainerName, err)
}

// awaitSystemd waits until the systemd inside has done what it does at boot.
func (c containers) awaitSystemd(ctx context.Context, op sdk.Operation, have *Container) error {
	op.Phase("waiting for systemd")
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		wait := c.client.ContainerWait(ctx, have.ID, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
		select {
		case r := <-wait.Result:
			cancel(fmt.Errorf("the container stopped with status %d", r.StatusCode))
		case <-ctx.Done():
		}
	}()
	boot := &bootWatch{}
	for {
		exit, err := c.exec(ctx, have.ID, plugins.Process{Command: []string{"sh", "-c", bootScript}, Stdout: boot, Stderr: boot})
		switch state := boot.last(); {
		case ctx.Err() != nil || errdefs.IsConflict(err): // it does not run; who waits for its end says why
		case err != nil:
			return err
		case boot.mute(exit):
			op.Log(have.Name + " has no sh and systemctl on its PATH, so nothing tells when it is up")
			return nil
		case state == "running":
			return nil
		case state == "degraded":
			return warnDegraded(have, boot.failed())
		case state == "maintenance":
			return sdk.Error(fmt.Sprintf("%s is in maintenance mode", have.Name), "Its systemd entered rescue or emergency mode.")
		}
		select {
		case <-ctx.Done():
			return sdk.Error(fmt.Sprintf("%s did not come up", have.Name),
				fmt.Sprintf("Waited for its systemd to be running, and it was last seen %q: %s.%s", boot.last(), context.Cause(ctx), c.pendingJobs(ctx, have)))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// bootScript waits inside the node until its systemd has booted. One program
// that stays costs the engine far less than one for each question, which many
// nodes that boot at once feel. It asks when systemd listens, and every two
// seconds in any case; it prints each state that it sees, and in the end the
// units that failed.
const bootScript = `command -v systemctl >/dev/null || { echo no systemctl; exit; }
seen= tries=0
while :; do
  state= tries=$((tries + 1))
  if test -S /run/systemd/private || test $((tries % 10)) = 0; then
    state=$(systemctl is-system-running --wait 2>/dev/null)
  fi
  test "$state" = "$seen" || echo "state $state"
  seen=$state
  case $state in
    running|maintenance) exit;;
    degraded) systemctl list-units --failed --plain --no-legend --no-pager; exit;;
  esac
  sleep 0.2
done`

// bootWatch reads what bootScript prints.
type bootWatch struct{ text bytes.Buffer }

func (b *bootWatch) Write(p []byte) (int, error) { return b.text.Write(p) }

// mute reports whether there is nothing inside that could tell.
func (b *bootWatch) mute(exit int) bool {
	text := b.text.String()
	return strings.HasPrefix(text, "no systemctl") || (exit == 126 || exit == 127) && strings.Contains(text, "executable file not found")
}

// last is the state that was seen last.
func (b *bootWatch) last() string {
	last := "nothing"
	for line := range strings.Lines(b.text.String()) {
		if state, ok := strings.CutPrefix(strings.TrimSpace(line), "state "); ok {
			last = state
		}
	}
	return last
}

// failed are the units that failed, which follow the last state.
func (b *bootWatch) failed() []string {
	var units []string
	for line := range strings.Lines(b.text.String()) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
		case fields[0] == "state":
			units = nil
		default:
			units = append(units, fields[0])
		}
	}
	return units
}

// warnDegraded names the units that failed.
func warnDegraded(have *Container, units []string) error {
	return sdk.Warn(fmt.Sprintf("%s is up, but units failed: %s", have.Name, strings.Join(units, ", ")),
		fmt.Sprintf("See why with: nxc exec %s -- systemctl status %s", have.Name, strings.Join(units, " ")))
}

// pendingJobs tells what systemd still waits for.
func (c containers) pendingJobs(ctx context.Context, have *Container) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	out, exit, err := c.run(ctx, have.ID, "systemctl", "list-jobs", "--no-legend", "--no-pager")
	if err != nil || exit != 0 || strings.TrimSpace(out) == "" {
		return ""
	}
	return " Its pending jobs:\n" + strings.TrimSpace(out)
}

// withLog adds the last lines of a container's log to an error.
func (c containers) withLog(ctx context.Context, have *Container, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	lines, logErr := c.tail(ctx, have.ID, have.TTY || have.Systemd, 15)
	if logErr != nil || len(lines) == 0 {
		return err
	}
	var d plugins.Diagnostics
	if !errors.As(err, &d) || len(d) == 0 {
		return fmt.Errorf("%w\nthe last lines of its log:\n%s", err, strings.Join(lines, "\n"))
	}
	detail := d[0].Detail
	if noWatcherLeft(lines) {
		detail += " All of the user's instances of inotify are taken. " + raiseWatchers(0)
	}
	detail = strings.TrimSpace(detail + "\nThe last lines of its log:\n" + strings.Join(lines, "\n"))
	return sdk.Error(d[0].Summary, detail)
}

// tail returns the last lines of a container's log.
func (e *engine) tail(ctx context.Context, id string, tty bool, n int) ([]string, error) {
	log, err := e.client.ContainerLogs(ctx, id, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(n)})
	if err != nil {
		return nil, err
	}
	defer log.Close()
	var text bytes.Buffer
	if tty {
		_, err = io.Copy(&text, log)
	} else {
		_, err = stdcopy.StdCopy(&text, &text, log)
	}
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSpace(strings.ReplaceAll(text.String(), "\r", "")), "\n"), nil
}

// run executes a program in a container and returns what it printed.
func (e *engine) run(ctx context.Context, id string, command ...string) (out string, exit int, err error) {
	var text bytes.Buffer
	exit, err = e.exec(ctx, id, plugins.Process{Command: command, Stdout: &text, Stderr: &text})
	return text.String(), exit, err
}

// addressHolder says which container has an address that another one wants, and
// what to do. One of nxc's may be of the same deployment: what an older state
// that was checked out does not know.
func (c containers) addressHolder(ctx context.Context, want *Container) string {
	const unknown = "Another container of the network has it. Find it with docker network inspect, or leave ip out."
	list, err := c.client.ContainerList(ctx, client.ContainerListOptions{Filters: make(client.Filters).Add("network", want.Network)})
	if err != nil {
		return unknown
	}
	for _, other := range list.Items {
		if other.NetworkSettings == nil || other.ID == want.ID || len(other.Names) == 0 {
			continue
		}
		for _, at := range other.NetworkSettings.Networks {
			if at.IPAddress.String() != want.IP {
				continue
			}
			holder := fmt.Sprintf("The container %s (%s) has it.", strings.TrimPrefix(other.Names[0], "/"), owner("docker_container", other.Labels))
			if other.Labels[labelDeployment] == "" {
				return holder + " Remove it, or leave ip out."
			}
			return holder + " If it is this one's and the state does not know it, as after an older state was checked out, `nxc state recover` lists it and takes it in."
		}
	}
	return unknown
}
