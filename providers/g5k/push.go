package g5k

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/sshnode"
	"github.com/nixos-compose/nxc/providers/g5k/agent"
)

// push brings files into the memory of nodes, by relays that it starts there.
type push struct {
	*testbed
	op      sdk.Operation
	program agent.Source
	items   []agent.Source
}

// newPush describes what is to be brought: kernels and an initrd.
func (t *testbed) newPush(op sdk.Operation, kernels []string, initrd string) (*push, error) {
	p := &push{testbed: t, op: op}
	op.Phase("reading the images")
	var err error
	if p.program, err = agent.Program(); err != nil {
		return nil, fmt.Errorf("read nxc's own program: %w", err)
	}
	files := append(append([]string{}, kernels...), initrd)
	for i, file := range files {
		name := kernelName(file)
		if i == len(kernels) {
			name = initrdName
		}
		item, err := agent.ReadSource(name, t.nixStore().Place(file))
		if err != nil {
			return nil, sdk.Error("An image cannot be read", err.Error()+". Was it collected as garbage? nxc apply builds it again.")
		}
		p.items = append(p.items, item)
	}
	return p, nil
}

const initrdName = "initrd"

// kernelName is what a kernel is called on nodes: roles may have several.
func kernelName(file string) string {
	name := path.Base(path.Dir(file))
	if len(name) > 32 {
		name = name[:32] // of the store path, its hash
	}
	return "kernel-" + name
}

// item finds one by its name.
func (p *push) item(name string) agent.Item {
	for _, i := range p.items {
		if i.Name == name {
			return i.Item
		}
	}
	return agent.Item{}
}

// findFolder is where a node keeps what it is given: in memory.
func findFolder(uuid string) string {
	return `for d in /dev/shm /run /tmp; do [ -d $d ] && [ -w $d ] && break; done; d=$d/nxc-` + head(uuid, 12)
}

// to brings everything to nodes, in a tree. Which failed is returned.
func (p *push) to(ctx context.Context, hosts []string) (map[string]error, error) {
	var nodes []agent.Node
	for _, host := range hosts {
		nodes = append(nodes, agent.Node{Name: host, Open: func(ctx context.Context, from []string) (agent.Session, error) {
			return p.open(ctx, host, from)
		}})
	}
	phase := "sending the images"
	if len(hosts) > 1 {
		phase = fmt.Sprintf("spreading the images over %d nodes", len(hosts))
	}
	result, err := agent.Spread{
		Nodes: nodes, Items: append([]agent.Source{p.program}, p.items...),
		URL: func(host string, port int) string { return fmt.Sprintf("http://%s:%d", host, port) },
		Log: p.op.Log,
		Report: func(now agent.Progress) {
			p.op.Report(plugins.Progress{Phase: phase, Done: now.Done, Expected: now.Expected, Unit: "bytes"})
		},
	}.Run(ctx)
	return result.Failed, err
}

// open starts a relay on a node.
func (p *push) open(ctx context.Context, host string, from []string) (agent.Session, error) {
	s, err := p.login(ctx, p.op, host, 2*answerTime)
	if err != nil {
		return nil, err
	}
	dir, err := p.install(ctx, s, host, from)
	if err != nil {
		s.Close()
		return nil, err
	}
	session, err := s.start(dir, "relay", dir)
	if err != nil {
		s.Close()
		return nil, err
	}
	return session, nil
}

// install puts the program into a node's folder: from a node above, or else
// from here. It returns the folder.
func (p *push) install(ctx context.Context, s *seat, host string, from []string) (string, error) {
	script := findFolder(p.op.UUID) + `
umask 077; mkdir -p $d && cd $d || exit 1
right() { [ "$(sha256sum ` + p.program.Name + ` 2>/dev/null | cut -d ' ' -f 1)" = ` + p.program.SHA256 + ` ]; }
echo $d
if ! right; then
  for u in ` + strings.Join(from, " ") + `; do
    rm -f new
    { curl -fsS -m 300 -o new $u/` + p.program.Name + ` || wget -q -T 300 -O new $u/` + p.program.Name + `; } >/dev/null 2>&1 || continue
    chmod 700 new; mv new ` + p.program.Name + `; right && break
  done
fi
right || echo missing
`
	answer, exit, err := s.shell(ctx, script)
	if err != nil {
		return "", err
	}
	words := strings.Fields(answer)
	if exit != 0 || len(words) == 0 {
		return "", &agent.Final{Err: sdk.Error(host+" cannot be made ready", fmt.Sprintf("A shell there ended with status %d: %s", exit, answer))}
	}
	if words[len(words)-1] != "missing" {
		return words[len(words)-1], nil
	}
	dir := words[len(words)-2]
	return dir, p.sendProgram(ctx, s, host, dir)
}

// sendProgram sends the program from here, compressed.
func (p *push) sendProgram(ctx context.Context, s *seat, host, dir string) error {
	f, err := os.Open(p.program.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	packed, pack := io.Pipe()
	defer packed.Close()
	go func() {
		// The compressor writes some hundred bytes at a time, each of which
		// would be a packet.
		whole := bufio.NewWriterSize(pack, 32<<10)
		z, _ := gzip.NewWriterLevel(whole, gzip.BestSpeed) // the level is one
		_, err := io.Copy(z, f)
		pack.CloseWithError(errors.Join(err, z.Close(), whole.Flush()))
	}()
	p.op.Phase("sending nxc's own program to " + host)
	var complaint strings.Builder
	name := path.Join(dir, p.program.Name)
	exit, err := s.run(ctx, plugins.Process{
		Command: []string{"sh", "-c", fmt.Sprintf("gzip -dc >%s.new && chmod 700 %s.new && mv %s.new %s", name, name, name, name)},
		Stdin:   packed, Stdout: &complaint, Stderr: &complaint,
	})
	if err == nil && exit != 0 {
		err = fmt.Errorf("send the program to %s: status %d: %s", host, exit, strings.TrimSpace(complaint.String()))
	}
	return err
}

// start starts the program on a node. Closing the session closes the seat.
func (s *seat) start(dir string, args ...string) (agent.Session, error) {
	command, err := agent.Command(dir, args...)
	if err != nil {
		return nil, err
	}
	session, err := s.NewSession()
	if err != nil {
		return nil, err
	}
	in, err := session.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := session.StdoutPipe()
	if err != nil {
		return nil, err
	}
	session.Stderr = io.Discard
	line := sshnode.Command(plugins.Process{Command: command})
	if s.sudo {
		line = "sudo-g5k sh -c " + sshnode.Quote(line)
	}
	if err := session.Start(line); err != nil {
		return nil, err
	}
	return &relaySession{out, in, func() error {
		_ = session.Close()
		return s.Close()
	}}, nil
}

// relaySession is the standard input and output of the program.
type relaySession struct {
	io.Reader
	in    io.WriteCloser
	close func() error
}

func (r *relaySession) Write(b []byte) (int, error) { return r.in.Write(b) }

// Close ends the program by the end of its input.
func (r *relaySession) Close() error {
	_ = r.in.Close()
	return r.close()
}
