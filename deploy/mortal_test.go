package deploy_test

import (
	"context"
	"runtime"
	"sync"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/sdktest/fake"
)

// inProcess runs the fake provider without a process of its own: quickly.
type inProcess struct {
	mu      sync.Mutex
	running []*mortal
}

func (*inProcess) Names() []string     { return []string{"fake"} }
func (*inProcess) Survivors(int) []int { return nil }

func (i *inProcess) Schema(ctx context.Context, name string) (*plugins.Schema, plugins.Diagnostics) {
	p, d := i.Start(ctx, name)
	if d.HasErrors() {
		return nil, d
	}
	return p.Schema(ctx)
}

func (i *inProcess) Start(context.Context, string) (deploy.Plugin, plugins.Diagnostics) {
	m := &mortal{}
	m.life, m.end = context.WithCancel(context.Background())
	p, err := sdk.New(fake.Mortal(func() {
		m.end()
		runtime.Goexit()
	}))
	if err != nil {
		return nil, plugins.NewError("No provider", err.Error())
	}
	m.Provider = p
	i.mu.Lock()
	defer i.mu.Unlock()
	i.running = append(i.running, m)
	return m, nil
}

// kill ends all providers, as the death of nxc does.
func (i *inProcess) kill() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, m := range i.running {
		m.end()
	}
}

// mortal is a provider that can die as a process does: what it has under way
// is lost, and it begins nothing more. A goroutine cannot be killed, so what is
// under way is asked to end, and waited for.
type mortal struct {
	plugins.Provider
	life context.Context
	end  context.CancelFunc
}

// call makes a call in a goroutine of its own, which may die in it, and
// reports whether there was a provider and whether there still is.
func (m *mortal) call(ctx context.Context, f func(context.Context)) (was, is bool) {
	if m.life.Err() != nil {
		return false, false
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(m.life, cancel)()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(ctx)
	}()
	<-done
	return true, m.life.Err() == nil
}

// streamed is a call that returns diagnostics.
func (m *mortal) streamed(ctx context.Context, f func(context.Context) plugins.Diagnostics) plugins.Diagnostics {
	var d plugins.Diagnostics
	if _, is := m.call(ctx, func(ctx context.Context) { d = f(ctx) }); !is {
		return ended()
	}
	return d
}

func ended() plugins.Diagnostics {
	d := plugins.NewError("Provider fake ended unexpectedly", "A test asked for it.")
	d[0].Ended = true
	return d
}

func (m *mortal) Apply(ctx context.Context, r plugins.ApplyRequest, progress func(plugins.Progress)) plugins.ApplyResult {
	var result plugins.ApplyResult
	was, is := m.call(ctx, func(ctx context.Context) { result = m.Provider.Apply(ctx, r, progress) })
	switch {
	case !was:
		return plugins.ApplyResult{Object: r.Prior, Diagnostics: ended()}
	case !is:
		return plugins.ApplyResult{Object: r.Prior, Lost: true, Diagnostics: ended()}
	}
	return result
}

func (m *mortal) Configure(ctx context.Context, r plugins.ConfigureRequest) (l plugins.Location, d plugins.Diagnostics) {
	d = m.streamed(ctx, func(ctx context.Context) (d plugins.Diagnostics) { l, d = m.Provider.Configure(ctx, r); return d })
	return l, d
}

func (m *mortal) Validate(ctx context.Context, rs []plugins.ValidateRequest, result func(int, plugins.Diagnostics)) plugins.Diagnostics {
	return m.streamed(ctx, func(ctx context.Context) plugins.Diagnostics { return m.Provider.Validate(ctx, rs, result) })
}

func (m *mortal) Read(ctx context.Context, rs []plugins.ReadRequest, result func(int, plugins.ReadResult)) plugins.Diagnostics {
	return m.streamed(ctx, func(ctx context.Context) plugins.Diagnostics { return m.Provider.Read(ctx, rs, result) })
}

func (m *mortal) Plan(ctx context.Context, rs []plugins.PlanRequest, result func(int, plugins.PlanResult)) plugins.Diagnostics {
	return m.streamed(ctx, func(ctx context.Context) plugins.Diagnostics { return m.Provider.Plan(ctx, rs, result) })
}

func (m *mortal) ReadData(ctx context.Context, r plugins.ReadDataRequest) (v cty.Value, d plugins.Diagnostics) {
	d = m.streamed(ctx, func(ctx context.Context) (d plugins.Diagnostics) { v, d = m.Provider.ReadData(ctx, r); return d })
	return v, d
}

func (m *mortal) Find(ctx context.Context, r plugins.FindRequest) (found []plugins.Found, d plugins.Diagnostics) {
	d = m.streamed(ctx, func(ctx context.Context) (d plugins.Diagnostics) { found, d = m.Provider.Find(ctx, r); return d })
	return found, d
}

func (m *mortal) Close(ctx context.Context) error {
	if m.life.Err() != nil {
		return nil
	}
	return m.Stop(ctx)
}
