package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/proto"
	"github.com/nixos-compose/nxc/plugins/wire"
)

// Launch starts a plugin and waits until it answers. Close ends it.
func Launch(ctx context.Context, o Options) (*Client, plugins.Diagnostics) {
	o.setDefaults()
	if d := o.verify(); d.HasErrors() {
		return nil, d
	}
	if o.Schema == nil && o.Cache != "" {
		o.Schema, _ = CachedSchema(o.Cache, o)
	}
	c := &Client{options: o, tail: &tail{logger: o.Logger}}
	c.process = newProcess(nil)
	c.plugin = plugin.NewClient(c.config())
	rpc, d := c.connect(ctx)
	if d.HasErrors() {
		c.Kill()
		return nil, d
	}
	c.Client = wire.NewClient(rpc, o.Schema, c.explain)
	return c, nil
}

// verify compares the program with its pin.
func (o *Options) verify() plugins.Diagnostics {
	if o.Checksum == "" {
		return nil
	}
	sum, err := Checksum(o.Path, o.Cache)
	if err != nil {
		return notStarted(o, err)
	}
	if sum != o.Checksum {
		return plugins.NewError(fmt.Sprintf("The plugin of provider %s is not the one that was pinned", o.Name),
			fmt.Sprintf("%s has %s, expected %s. If you replaced it on purpose, run nxc init -upgrade; otherwise do not run it.", o.Path, sum, o.Checksum))
	}
	return nil
}

func (c *Client) config() *plugin.ClientConfig {
	return &plugin.ClientConfig{
		HandshakeConfig: wire.Handshake,
		VersionedPlugins: map[int]plugin.PluginSet{
			wire.ProtocolVersion: {wire.PluginName: &wire.Plugin{}},
		},
		RunnerFunc: func(_ hclog.Logger, handshake *exec.Cmd, _ string) (runner.Runner, error) {
			cmd := exec.Command(c.options.Path, c.options.Args...)
			cmd.Dir = c.options.Dir
			cmd.Env = append(c.options.environment(os.Environ()), handshake.Env...)
			c.process.cmd = cmd
			return c.process, nil
		},
		SkipHostEnv:      true,
		AutoMTLS:         true,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		GRPCDialOptions:  wire.DialOptions(),
		StartTimeout:     c.options.StartTimeout,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: c.socketFolder()},
		Logger:           hclog.New(&hclog.LoggerOptions{Level: hclog.Off}),
		Stderr:           c.tail,
		SyncStdout:       c.tail,
		SyncStderr:       c.tail,
	}
}

// connect shakes hands. go-plugin waits without a context, so the wait is
// bounded from outside: ending the process ends it.
func (c *Client) connect(ctx context.Context) (proto.ProviderClient, plugins.Diagnostics) {
	type connected struct {
		rpc proto.ProviderClient
		err error
	}
	done := make(chan connected, 1)
	go func() {
		rpc, err := c.dispense()
		done <- connected{rpc, err}
	}()
	timeout := time.NewTimer(c.options.StartTimeout)
	defer timeout.Stop()
	select {
	case r := <-done:
		if r.err != nil {
			return nil, c.explainStart(r.err)
		}
		return r.rpc, nil
	case <-timeout.C:
		c.process.Kill(ctx)
		<-done
		return nil, c.explainStart(errSilent)
	case <-ctx.Done():
		c.process.Kill(ctx)
		<-done
		return nil, plugins.NewError(fmt.Sprintf("Starting provider %s was interrupted", c.options.Name), "")
	}
}

func (c *Client) dispense() (proto.ProviderClient, error) {
	protocol, err := c.plugin.Client()
	if err != nil {
		return nil, err
	}
	rpc, err := protocol.Dispense(wire.PluginName)
	if err != nil {
		return nil, err
	}
	client, ok := rpc.(proto.ProviderClient)
	if !ok {
		return nil, fmt.Errorf("unexpected client %T", rpc)
	}
	return client, nil
}

var errSilent = errors.New("no answer")

// explainStart says why a plugin could not be started.
func (c *Client) explainStart(err error) plugins.Diagnostics {
	o := &c.options
	if c.process.id() == 0 {
		return notStarted(o, err)
	}
	said := strings.TrimSpace(c.process.stdout.said())
	line, _, _ := strings.Cut(said, "\n")
	switch parts := strings.Split(line, "|"); {
	case len(parts) >= 4 && parts[1] != fmt.Sprint(wire.ProtocolVersion):
		return plugins.NewError(fmt.Sprintf("Provider %s speaks another version of the plugin protocol", o.Name),
			fmt.Sprintf("%s speaks version %s, this nxc speaks %d. Update whichever is older.", o.Path, parts[1], wire.ProtocolVersion))
	case line != "" && len(parts) < 4:
		return plugins.NewError(fmt.Sprintf("%s is not a plugin for nxc", o.Path),
			fmt.Sprintf("Instead of the plugin protocol's first line it printed %s. %s", quoteShort(line), c.remedy()))
	}
	if errors.Is(err, errSilent) || strings.Contains(err.Error(), "timeout") {
		return plugins.NewError(fmt.Sprintf("Provider %s does not answer", o.Name),
			fmt.Sprintf("%s was started and said nothing for %s; it has been stopped.%s%s", o.Path, o.StartTimeout, c.lastWords(), c.remedy()))
	}
	select {
	case <-c.process.exited:
		return plugins.NewError(fmt.Sprintf("Provider %s ended before it could be used", o.Name),
			fmt.Sprintf("%s ended with %s.%s%s", o.Path, c.process.ending(), c.lastWords(), c.remedy()))
	case <-time.After(time.Second):
		return plugins.NewError(fmt.Sprintf("Provider %s cannot be reached", o.Name),
			fmt.Sprintf("%s: %v.%s%s", o.Path, err, c.lastWords(), c.remedy()))
	}
}
