// Command nxc-g5k-sim is a Grid'5000 on this machine, for who has no account:
// it prints the base URL of its API, then how nxc is pointed at it, and runs
// until it is interrupted.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/providers/g5k/simulator"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "nxc-g5k-sim:", err)
		os.Exit(1)
	}
}

const usage = `nxc-g5k-sim runs a simulated Grid'5000 on this machine until it is interrupted.

Its first line is the base URL of its API; then it says which variables point
nxc at it. Who logs in is the user with the public keys of -ssh-key.

    $ nxc-g5k-sim -listen 127.0.0.1:0 -clusters dahu=4,gros=8 -speed 60
    http://127.0.0.1:41233/stable
    export NXC_G5K_API=http://127.0.0.1:41233/stable
    …

Faults are made below /sim/ of the same address: GET http://…/sim/ tells what
there is.

Options:
`

// run reads the command line and runs the platform.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, clusters, keys, kind, verbose := simulator.Options{}, "", "", "", false
	flags := flag.NewFlagSet("nxc-g5k-sim", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		_, _ = io.WriteString(stderr, usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&o.Listen, "listen", "127.0.0.1:0", "`address` of the API; other servers take free ports of the same host")
	flags.StringVar(&o.User, "user", "user", "the `login` of the one who has an account")
	flags.StringVar(&o.Password, "password", "", "what the API asks for; without, it answers as inside Grid'5000")
	flags.StringVar(&keys, "ssh-key", "", "`file` of public keys that log in; by default those in ~/.ssh/*.pub")
	flags.StringVar(&clusters, "clusters", "", "the clusters that exist, as `NAME=NODES,…`; by default all, of their real sizes")
	flags.StringVar(&kind, "nodes", string(simulator.Process), "what nodes are made of: "+kinds())
	flags.StringVar(&o.Machine.Kernel, "kernel", "", "`file` of the kernel that machines boot before anything is deployed")
	flags.StringVar(&o.Machine.Initrd, "initrd", "", "`file` of the initial file system beside it")
	flags.StringVar(&o.Machine.CommandLine, "append", "", "`parameters` of the kernel beside it")
	flags.Float64Var(&o.Speed, "speed", 1, "how many seconds pass on its clock in one of ours")
	flags.DurationVar(&o.DeployTime, "deploy-time", 0, "how long a deployment takes on its clock (3m)")
	flags.StringVar(&o.Dir, "dir", "", "`folder` for its files, kept at the end; by default a temporary one")
	flags.BoolVar(&verbose, "v", false, "say what happens on the platform")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is not an option; see -help", flags.Arg(0))
	}
	o.Nodes = simulator.Kind(kind)
	var err error
	if o.Clusters, err = sizes(clusters); err != nil {
		return err
	}
	if o.Keys, err = publicKeys(keys); err != nil {
		return err
	}
	if verbose {
		o.Log = slog.New(slog.NewTextHandler(stderr, nil))
	}
	s, err := simulator.Start(o)
	if err != nil {
		return err
	}
	announce(stdout, s, o)
	<-ctx.Done()
	return s.Close()
}

func kinds() string {
	var names []string
	for _, k := range simulator.Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// announce says where the platform is: first its API.
func announce(w io.Writer, s *simulator.Simulator, o simulator.Options) {
	_, _ = fmt.Fprintf(w, "%[1]s\nexport NXC_G5K_API=%[1]s\nexport NXC_G5K_GATEWAY=%[2]s\nexport NXC_G5K_KNOWN_HOSTS=%[3]s\nexport G5K_USER=%[4]s\n",
		s.API(), s.Gateway(), s.KnownHosts(), o.User)
	if o.Password != "" {
		_, _ = fmt.Fprintf(w, "# and its password, as G5K_PASSWORD or in ~/.netrc\n")
	}
	_, _ = fmt.Fprintf(w, "# public folders: %s/SITE/~%s/\n# faults: %s/\n", s.PublicURL(), o.User, s.Control())
}

// sizes reads NAME=NODES,….
func sizes(text string) (map[string]int, error) {
	if text == "" {
		return nil, nil
	}
	all := map[string]int{}
	for _, one := range strings.Split(text, ",") {
		name, number, given := strings.Cut(strings.TrimSpace(one), "=")
		n, err := strconv.Atoi(number)
		if !given {
			n, err = 0, nil
		}
		if err != nil || name == "" {
			return nil, fmt.Errorf("-clusters %s: it is NAME=NODES,…", text)
		}
		all[name] = n
	}
	return all, nil
}

// publicKeys reads the keys that log in.
func publicKeys(file string) ([]ssh.PublicKey, error) {
	files := []string{file}
	if file == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, nil // then nobody logs in
		}
		files, _ = filepath.Glob(filepath.Join(home, ".ssh", "*.pub"))
	}
	var keys []ssh.PublicKey
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for len(raw) > 0 {
			key, _, _, rest, err := ssh.ParseAuthorizedKey(raw)
			if err != nil {
				break
			}
			keys, raw = append(keys, key), rest
		}
	}
	if file != "" && len(keys) == 0 {
		return nil, fmt.Errorf("%s holds no public key", file)
	}
	return keys, nil
}
