package sdk

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/nixos-compose/nxc/plugins/wire"
)

// Serve runs the provider as a plugin: it is what main calls. It returns when
// nxc ends the plugin, and exits the process when nxc is gone, or when it was
// not nxc that started it.
//
// From then on slog.Default writes to nxc's log. Standard output belongs to
// the protocol; what is printed there reaches nxc's log too.
func Serve(p Provider) {
	runProgram(p)
	if os.Getenv(wire.Handshake.MagicCookieKey) != wire.Handshake.MagicCookieValue {
		fmt.Fprint(os.Stderr, byHand(p))
		os.Exit(1)
	}
	if err := watchHost(os.Getenv(wire.HostPipe)); err != nil {
		fmt.Fprintf(os.Stderr, "provider %s: %v\n", p.Name, err)
		os.Exit(1)
	}
	provider, err := New(p)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400) // a plugin is small, and lives for one command
	}
	stderr := os.Stderr
	slog.SetDefault(slog.New(slog.NewJSONHandler(stderr, &slog.HandlerOptions{Level: logLevel()})))
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: wire.Handshake,
		VersionedPlugins: map[int]plugin.PluginSet{
			wire.ProtocolVersion: {wire.PluginName: &wire.Plugin{Provider: provider}},
		},
		GRPCServer: func(o []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(append(o, wire.ServerOptions()...), ownStreams(stderr)...)...)
		},
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: stderr}),
	})
}

// ownStreams gives the provider its true standard error back before the first
// call, and the same for what it prints. go-plugin carries both over the
// connection, where a crash loses the last lines, the ones that matter.
func ownStreams(stderr *os.File) []grpc.ServerOption {
	var once sync.Once
	restore := func() { once.Do(func() { os.Stdout, os.Stderr = stderr, stderr }) }
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			restore()
			return handler(ctx, req)
		}),
		grpc.ChainStreamInterceptor(func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
			restore()
			return handler(srv, stream)
		}),
	}
}

// byHand says what the program is to a person who started it.
func byHand(p Provider) string {
	return fmt.Sprintf(`This is nxc's plugin for the provider %q, version %s. It is not started by hand:
put it, named nxc-provider-%s, into ~/.local/share/nxc/plugins, into .nxc/plugins
beside your configuration, or anywhere in PATH, and nxc starts it when needed.
`, p.Name, cmp.Or(p.Version, "unknown"), p.Name)
}

func logLevel() slog.Level {
	var level slog.Level
	if level.UnmarshalText([]byte(os.Getenv(wire.LogLevel))) != nil {
		return slog.LevelInfo
	}
	return level
}

// watchHost ends the process, and the programs of its process group, when the
// other end of the pipe is closed: the host is gone, and whoever recovers what
// it left must not race with us. Without a pipe there is nothing to watch.
func watchHost(descriptor string) error {
	if descriptor == "" {
		return nil
	}
	os.Unsetenv(wire.HostPipe)
	fd, err := strconv.Atoi(descriptor)
	if err != nil || fd < 3 {
		return fmt.Errorf("%s=%q is not a descriptor", wire.HostPipe, descriptor)
	}
	syscall.CloseOnExec(fd)
	pipe := os.NewFile(uintptr(fd), "host pipe")
	if pipe == nil {
		return fmt.Errorf("%s=%q is not open", wire.HostPipe, descriptor)
	}
	go func() {
		io.Copy(io.Discard, pipe)
		removeSocket(os.Getenv(plugin.EnvUnixSocketDir))
		if pid := os.Getpid(); syscall.Getpgrp() == pid {
			syscall.Kill(-pid, syscall.SIGKILL)
		}
		os.Exit(1)
	}()
	return nil
}

// removeSocket removes the folder that the host made for the plugin's socket,
// and which it can no longer remove itself.
func removeSocket(folder string) {
	if !strings.HasPrefix(filepath.Base(folder), "plugin-dir") {
		return
	}
	sockets, _ := filepath.Glob(filepath.Join(folder, "plugin*"))
	for _, s := range sockets {
		os.Remove(s)
	}
	os.Remove(folder)
}
