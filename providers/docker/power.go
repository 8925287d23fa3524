package docker

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Power starts, stops, crashes, resets, pauses and unpauses a container.
func (c containers) Power(ctx context.Context, op sdk.Operation, have *Container, a plugins.PowerAction) error {
	seen, err := c.seek(ctx, op, have)
	if err != nil {
		return err
	}
	if seen == nil {
		return sdk.Error(fmt.Sprintf("%s is gone", have.Name), "Its container was removed outside nxc. Create it again with nxc apply.")
	}
	switch a {
	case plugins.PowerStart:
		if seen.State.Running {
			return nil
		}
		return c.start(ctx, op, have)
	case plugins.PowerStop:
		op.Phase("stopping the container")
		return c.stop(ctx, seen)
	case plugins.PowerCrash:
		return c.crash(ctx, seen)
	case plugins.PowerReset:
		if err := c.crash(ctx, seen); err != nil {
			return err
		}
		return c.start(ctx, op, have)
	case plugins.PowerPause:
		if _, err = c.client.ContainerPause(ctx, seen.ID, client.ContainerPauseOptions{}); errdefs.IsConflict(err) && seen.State.Paused {
			return nil
		}
	case plugins.PowerUnpause:
		if !seen.State.Paused {
			return nil
		}
		_, err = c.client.ContainerUnpause(ctx, seen.ID, client.ContainerUnpauseOptions{})
	default:
		return sdk.Error(fmt.Sprintf("Containers know no %q", a), "They can be started, stopped, crashed, reset, paused and unpaused.")
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", a, have.Name, err)
	}
	return nil
}

// stop sends the stop signal, and kills what is left after the timeout.
func (c containers) stop(ctx context.Context, seen *container.InspectResponse) error {
	timeout := stopTimeout
	_, err := c.client.ContainerStop(ctx, seen.ID, client.ContainerStopOptions{Timeout: &timeout})
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("stop container %s: %w", seen.Name, err)
	}
	return nil
}

// crash kills every process of the container, and waits until it is down.
func (c containers) crash(ctx context.Context, seen *container.InspectResponse) error {
	if !seen.State.Running {
		return nil
	}
	if _, err := c.client.ContainerKill(ctx, seen.ID, client.ContainerKillOptions{Signal: "SIGKILL"}); err != nil && !errdefs.IsConflict(err) {
		return fmt.Errorf("kill container %s: %w", seen.Name, err)
	}
	wait := c.client.ContainerWait(ctx, seen.ID, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case <-wait.Result:
		return nil
	case err := <-wait.Error:
		return fmt.Errorf("wait for container %s to be down: %w", seen.Name, err)
	}
}

// Console streams what the container's first process printed.
func (c containers) Console(ctx context.Context, op sdk.Operation, have *Container, console plugins.Console) error {
	if console.Input != nil {
		return sdk.Error(fmt.Sprintf("The console of %s can only be watched", have.Name), "Open a shell with nxc connect instead.")
	}
	tail := "all"
	if console.Tail >= 0 {
		tail = strconv.Itoa(console.Tail)
	}
	log, err := c.client.ContainerLogs(ctx, have.ID, client.ContainerLogsOptions{
		ShowStdout: true, ShowStderr: true, Follow: console.Follow, Tail: tail,
	})
	if errdefs.IsNotFound(err) {
		return sdk.Error(fmt.Sprintf("%s is gone", have.Name), "Its container was removed outside nxc. Create it again with nxc apply.")
	}
	if err != nil {
		return fmt.Errorf("read the log of %s: %w", have.Name, err)
	}
	defer log.Close()
	if have.TTY || have.Systemd {
		_, err = io.Copy(console.Output, log)
	} else {
		_, err = stdcopy.StdCopy(console.Output, console.Output, log)
	}
	if ctx.Err() != nil {
		return nil // the one who watched has seen enough
	}
	return err
}
