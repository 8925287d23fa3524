package command

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"github.com/nixos-compose/nxc/plugins"
)

// sshProxyCommand is what ssh runs, as its configuration says, to reach a
// node's ssh server: it goes through the node's exec, which every flavour has.
func sshProxyCommand(env *Env) *command {
	var f projectFlags
	port := 22
	return &command{
		synopsis: "Connect ssh with a node's ssh server",
		usage:    "[flags] NODE",
		help:     "Connects standard input and output with a node's ssh server. ssh starts this by itself; see nxc ssh-config.",
		hidden:   true,
		flags: func(fs *flag.FlagSet) {
			f.register(fs)
			fs.IntVar(&port, "port", 22, "the `PORT` of the ssh server")
		},
		run: func(ctx context.Context, args []string) int {
			if len(args) != 1 || port < 1 || port > 65535 {
				fmt.Fprintln(env.Stderr, "nxc ssh-proxy: ssh starts this by itself; see nxc ssh-config -help")
				return exitError
			}
			received := &counter{Writer: env.Stdout}
			wrapped := *env
			wrapped.Stdout = received
			status := f.onNode(ctx, &wrapped, "ssh-proxy", args[0], plugins.Process{Command: relay(port)}, false, 0)
			if received.n == 0 && status != exitOK && status != exitInterrupted {
				_, node, _ := strings.Cut(args[0], "/")
				fmt.Fprintf(env.Stderr, "nxc: no ssh server answered at port %d of %s. In a container one runs only with services.openssh.enable = true.\n", port, node)
			}
			return status
		},
	}
}

// relay is a program that connects its input and output with a port of the
// node that it runs on, by whatever the node has.
func relay(port int) []string {
	script := strings.ReplaceAll(`
if command -v nc >/dev/null; then exec nc 127.0.0.1 PORT; fi
if command -v socat >/dev/null; then exec socat - TCP:127.0.0.1:PORT; fi
exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/PORT 4<&0 || exit 1; cat <&4 >&3 & cat <&3; kill $!'`, "PORT", fmt.Sprint(port))
	return []string{"sh", "-c", strings.TrimSpace(script)}
}
