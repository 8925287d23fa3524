package sdk

import (
	"context"
	"fmt"

	"github.com/nixos-compose/nxc/plugins"
)

// hands is what a node can do. A type that is none, or lacks the hand, says so.
type hands interface {
	setContext(ctx context.Context, n plugins.Node, c plugins.Context) plugins.Diagnostics
	exec(ctx context.Context, n plugins.Node, p plugins.Process) (int, plugins.Diagnostics)
	copyFiles(ctx context.Context, n plugins.Node, c plugins.Copy) plugins.Diagnostics
	power(ctx context.Context, n plugins.Node, a plugins.PowerAction, progress func(plugins.Progress)) plugins.Diagnostics
	console(ctx context.Context, n plugins.Node, c plugins.Console) plugins.Diagnostics
	link(ctx context.Context, n plugins.Node, l plugins.Link) plugins.Diagnostics
	monitor(ctx context.Context, n plugins.Node, command string) (string, plugins.Diagnostics)
}

// handsOffered tells the hands by the interfaces that the handler implements.
func (m *managed[T]) handsOffered() []plugins.Hand {
	var offered []plugins.Hand
	add := func(h plugins.Hand, ok bool) {
		if ok {
			offered = append(offered, h)
		}
	}
	_, ok := m.h.(Execer[T])
	add(plugins.HandExec, ok)
	_, ok = m.h.(Copier[T])
	add(plugins.HandCopy, ok)
	_, ok = m.h.(Powerer[T])
	add(plugins.HandPower, ok)
	_, ok = m.h.(Consoler[T])
	add(plugins.HandConsole, ok)
	_, ok = m.h.(Linker[T])
	add(plugins.HandLink, ok)
	_, ok = m.h.(Monitorer[T])
	add(plugins.HandMonitor, ok)
	_, ok = m.h.(Contexter[T])
	add(plugins.HandContext, ok)
	return sortedHands(offered)
}

// withNode decodes the node and calls f, guarded.
func (m *managed[T]) withNode(n plugins.Node, verb string, ok bool, f func(op Operation, have *T) error) plugins.Diagnostics {
	if !ok {
		return plugins.NewError(fmt.Sprintf("%s does not offer %q", m.name, verb), "The provider has no such verb for this type of node.")
	}
	have, _, d := m.decode(n.Object)
	if d.HasErrors() {
		return d
	}
	d = guard(m.name, verb, func() error { return f(Operation{Operation: n.Operation}, have) })
	return d
}

func (m *managed[T]) setContext(ctx context.Context, n plugins.Node, c plugins.Context) plugins.Diagnostics {
	h, ok := m.h.(Contexter[T])
	return m.withNode(n, "context", ok, func(op Operation, have *T) error {
		return h.SetContext(ctx, op, have, c)
	})
}

func (m *managed[T]) exec(ctx context.Context, n plugins.Node, p plugins.Process) (exit int, d plugins.Diagnostics) {
	h, ok := m.h.(Execer[T])
	d = m.withNode(n, "exec", ok, func(op Operation, have *T) (err error) {
		exit, err = h.Exec(ctx, op, have, p)
		return err
	})
	return exit, d
}

func (m *managed[T]) copyFiles(ctx context.Context, n plugins.Node, c plugins.Copy) plugins.Diagnostics {
	h, ok := m.h.(Copier[T])
	return m.withNode(n, "copy", ok, func(op Operation, have *T) error {
		return h.Copy(ctx, op, have, c)
	})
}

func (m *managed[T]) power(ctx context.Context, n plugins.Node, a plugins.PowerAction, progress func(plugins.Progress)) plugins.Diagnostics {
	h, ok := m.h.(Powerer[T])
	return m.withNode(n, "power", ok, func(op Operation, have *T) error {
		op.progress = progress
		return h.Power(ctx, op, have, a)
	})
}

func (m *managed[T]) console(ctx context.Context, n plugins.Node, c plugins.Console) plugins.Diagnostics {
	h, ok := m.h.(Consoler[T])
	return m.withNode(n, "console", ok, func(op Operation, have *T) error {
		return h.Console(ctx, op, have, c)
	})
}

func (m *managed[T]) link(ctx context.Context, n plugins.Node, l plugins.Link) plugins.Diagnostics {
	h, ok := m.h.(Linker[T])
	return m.withNode(n, "link", ok, func(op Operation, have *T) error {
		return h.Link(ctx, op, have, l)
	})
}

func (m *managed[T]) monitor(ctx context.Context, n plugins.Node, command string) (answer string, d plugins.Diagnostics) {
	h, ok := m.h.(Monitorer[T])
	d = m.withNode(n, "monitor", ok, func(op Operation, have *T) (err error) {
		answer, err = h.Monitor(ctx, op, have, command)
		return err
	})
	return answer, d
}

// node returns the type of a node.
func (i *instance) node(n plugins.Node) (hands, plugins.Diagnostics) {
	if t := i.resources[n.Type]; t != nil {
		return t, nil
	}
	return nil, i.noSuch("resource", n.Type)
}

func (i *instance) SetContext(ctx context.Context, n plugins.Node, c plugins.Context) plugins.Diagnostics {
	return i.withHands(ctx, n, func(ctx context.Context, h hands) plugins.Diagnostics { return h.setContext(ctx, n, c) })
}

func (i *instance) Exec(ctx context.Context, n plugins.Node, p plugins.Process) (exit int, d plugins.Diagnostics) {
	d = i.withHands(ctx, n, func(ctx context.Context, h hands) (d plugins.Diagnostics) {
		exit, d = h.exec(ctx, n, p)
		return d
	})
	return exit, d
}

func (i *instance) Copy(ctx context.Context, n plugins.Node, c plugins.Copy) plugins.Diagnostics {
	return i.withHands(ctx, n, func(ctx context.Context, h hands) plugins.Diagnostics { return h.copyFiles(ctx, n, c) })
}

func (i *instance) Power(ctx context.Context, n plugins.Node, a plugins.PowerAction, progress func(plugins.Progress)) plugins.Diagnostics {
	return i.withHands(ctx, n, func(ctx context.Context, h hands) plugins.Diagnostics { return h.power(ctx, n, a, progress) })
}

func (i *instance) Console(ctx context.Context, n plugins.Node, c plugins.Console) plugins.Diagnostics {
	return i.withHands(ctx, n, func(ctx context.Context, h hands) plugins.Diagnostics { return h.console(ctx, n, c) })
}

func (i *instance) Link(ctx context.Context, n plugins.Node, l plugins.Link) plugins.Diagnostics {
	return i.withHands(ctx, n, func(ctx context.Context, h hands) plugins.Diagnostics { return h.link(ctx, n, l) })
}

func (i *instance) Monitor(ctx context.Context, n plugins.Node, command string) (answer string, d plugins.Diagnostics) {
	d = i.withHands(ctx, n, func(ctx context.Context, h hands) (d plugins.Diagnostics) {
		answer, d = h.monitor(ctx, n, command)
		return d
	})
	return answer, d
}

func (i *instance) withHands(ctx context.Context, n plugins.Node, f func(context.Context, hands) plugins.Diagnostics) plugins.Diagnostics {
	h, d := i.node(n)
	if d.HasErrors() {
		return d
	}
	ctx, done := i.begin(ctx)
	defer done()
	return f(ctx, h)
}
