package command

import (
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/internal/atomicfile"
)

func sshConfigCommand(env *Env) *command {
	var f projectFlags
	return &command{
		synopsis: "Print a configuration with which ssh reaches the nodes",
		usage:    "[flags]",
		help: `
Prints a configuration of the OpenSSH client for all nodes of a deployment, so
that ssh, scp, rsync and whatever uses them work with the nodes, from any
folder. It names the deployment's own key and the nodes' host keys, and
connects through nxc, whatever the flavour. A node is called NODE, and
NODE.COMPOSITION.FLAVOUR. An ssh server must run on it: machines always have
one, containers with services.openssh.enable = true.

Examples:
  nxc ssh-config > ssh_config
  ssh -F ssh_config client1 hostname
  scp -F ssh_config server:/var/log/syslog .
  nxc ssh-config -flavour docker >> ~/.ssh/config`,
		flags: f.register,
		run: func(ctx context.Context, args []string) int {
			if len(args) > 0 {
				fmt.Fprintln(env.Stderr, "nxc ssh-config: it is for all nodes of a deployment; choose that with -flavour")
				return exitError
			}
			return f.withSSH(ctx, env, "ssh-config", func(a *deploy.SSHAccess, config string) error {
				_, err := io.WriteString(env.Stdout, config)
				return err
			})
		},
	}
}

// withSSH writes the ssh configuration of a deployment beside its key, and
// hands it to do.
func (f *projectFlags) withSSH(ctx context.Context, env *Env, name string, do func(a *deploy.SSHAccess, config string) error) int {
	f.all = true
	return f.open(ctx, env, name, func(o opened) int {
		access, diags := o.SSHAccess()
		o.view.Diagnostics(diags)
		if diags.HasErrors() {
			return exitError
		}
		o.view.Flush()
		proxy, err := f.proxyCommand(env)
		if err != nil {
			return o.fail("nxc cannot name itself for ssh", err)
		}
		config := sshConfig(access, proxy)
		if err := atomicfile.Write(access.Config, []byte(config), 0o600); err != nil {
			return o.fail("The ssh configuration cannot be written", err)
		}
		if err := do(access, config); err != nil {
			return o.fail("The output cannot be written", err)
		}
		return exitOK
	})
}

// sshConfig renders the configuration, a block for each node.
func sshConfig(a *deploy.SSHAccess, proxy string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# The nodes of %s, by nxc ssh-config.\n", a.Deployment)
	for _, n := range a.Nodes {
		alias := a.Alias(n.Name)
		fmt.Fprintf(&b, "\nHost %s %s\n", n.Name, alias)
		for _, option := range [][2]string{
			{"User", "root"},
			{"IdentityFile", sshPath(a.Identity)},
			{"IdentitiesOnly", "yes"},
			{"HostKeyAlias", alias},
			{"HostKeyAlgorithms", "ssh-ed25519"},
			{"UserKnownHostsFile", sshPath(a.KnownHosts)},
			{"GlobalKnownHostsFile", "/dev/null"},
			{"StrictHostKeyChecking", "yes"},
			{"UpdateHostKeys", "no"},
			{"ProxyCommand", proxy + " " + escapePercent(shellWord(a.Deployment.String()+"/"+n.Name))},
		} {
			fmt.Fprintf(&b, "  %s %s\n", option[0], option[1])
		}
	}
	return b.String()
}

// proxyCommand is what ssh runs to reach a node, up to the node's name.
func (f *projectFlags) proxyCommand(env *Env) (string, error) {
	words, err := f.another(env, "ssh-proxy")
	if err != nil {
		return "", err
	}
	for i := range words {
		words[i] = escapePercent(shellWord(words[i]))
	}
	return strings.Join(words, " ") + " -port %p", nil
}

// another is a command of nxc's as words, without the nodes that it is to be
// about. It works in any folder, and with the choices that this one was given.
func (f *projectFlags) another(env *Env, name string) ([]string, error) {
	self, err := env.Executable()
	if err != nil {
		return nil, err
	}
	folder, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	words := []string{self, "-chdir", folder, name}
	if w := env.Getenv("NXC_WORKSPACE"); w != "" {
		words = append([]string{"env", "NXC_WORKSPACE=" + w}, words...)
	}
	if f.state != "" {
		words = append(words, "-state", f.state)
	}
	for _, input := range f.inputs {
		flag := "-var"
		if input.File {
			flag = "-var-file"
		}
		words = append(words, flag, input.Text)
	}
	return words, nil
}

// sshPath writes a path as a value of an ssh configuration.
func sshPath(path string) string { return `"` + escapePercent(path) + `"` }

// escapePercent keeps ssh from expanding what begins with a percent sign.
func escapePercent(text string) string { return strings.ReplaceAll(text, "%", "%%") }

// plainWord matches what no shell reads as anything else.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// shellWord quotes a word for a shell where it must be.
func shellWord(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
