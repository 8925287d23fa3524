package wire

import (
	"context"
	"fmt"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/proto"
	"github.com/nixos-compose/nxc/plugins/schema"
)

// stub is a provider whose calls are functions; those that are nil must not be
// made, which the embedded nil interface sees to.
type stub struct {
	plugins.Provider
	read    func(ctx context.Context, r plugins.ReadRequest) plugins.ReadResult
	apply   func(ctx context.Context, r plugins.ApplyRequest, progress func(plugins.Progress)) plugins.ApplyResult
	exec    func(ctx context.Context, p plugins.Process) (int, plugins.Diagnostics)
	copy    func(ctx context.Context, c plugins.Copy) plugins.Diagnostics
	console func(ctx context.Context, c plugins.Console) plugins.Diagnostics
	expand  func(r plugins.ExpandRequest) (*plugins.Expansion, plugins.Diagnostics)
	link    func(l plugins.Link) plugins.Diagnostics
	monitor func(command string) (string, plugins.Diagnostics)
}

var stubSchema = &plugins.Schema{
	Provider: "stub", Version: "1",
	Resources: map[string]*plugins.ResourceType{
		"stub_a": {
			Version: 3, Node: true, Hands: []plugins.Hand{plugins.HandCopy, plugins.HandExec}, CustomPlan: true,
			FindWindow: 3 * time.Second, Timeouts: plugins.Timeouts{Create: time.Minute, Delete: time.Second},
			Block: schema.Block{Doc: "An a.", Attributes: []schema.Attribute{
				{Name: "id", Type: cty.String, Computed: true},
				{Name: "name", Type: cty.String, Required: true, Replace: true, Exclusive: true, Doc: "Its name."},
				{Name: "tags", Type: cty.Map(cty.String), Optional: true, Default: cty.MapValEmpty(cty.String)},
				{Name: "whatever", Type: cty.DynamicPseudoType, Optional: true, Sensitive: true},
			}, Blocks: []schema.NestedBlock{
				{Name: "port", Nesting: schema.List, Required: true, Block: schema.Block{Doc: "Ports.", Attributes: []schema.Attribute{
					{Name: "number", Type: cty.Number, Required: true},
				}}},
			}},
		},
	},
	Data: map[string]*plugins.DataType{"stub_d": {Block: schema.Block{Attributes: []schema.Attribute{
		{Name: "x", Type: cty.Bool, Optional: true, Default: cty.True},
	}}}},
	Flavours: map[string]*plugins.Flavour{"stub": {
		Block:   schema.Block{Attributes: []schema.Attribute{{Name: "n", Type: cty.Number, Optional: true}}},
		Sources: map[string]string{"default.nix": "{ }"}, Nodes: true,
	}},
}

func (s *stub) Schema(context.Context) (*plugins.Schema, plugins.Diagnostics) { return stubSchema, nil }

func (s *stub) Read(ctx context.Context, rs []plugins.ReadRequest, result func(int, plugins.ReadResult)) plugins.Diagnostics {
	for i := range rs {
		result(i, s.read(ctx, rs[i]))
	}
	return nil
}

func (s *stub) Apply(ctx context.Context, r plugins.ApplyRequest, progress func(plugins.Progress)) plugins.ApplyResult {
	return s.apply(ctx, r, progress)
}

func (s *stub) Exec(ctx context.Context, _ plugins.Node, p plugins.Process) (int, plugins.Diagnostics) {
	return s.exec(ctx, p)
}

func (s *stub) Copy(ctx context.Context, _ plugins.Node, c plugins.Copy) plugins.Diagnostics {
	return s.copy(ctx, c)
}

func (s *stub) Console(ctx context.Context, _ plugins.Node, c plugins.Console) plugins.Diagnostics {
	return s.console(ctx, c)
}

func (s *stub) Expand(_ context.Context, r plugins.ExpandRequest) (*plugins.Expansion, plugins.Diagnostics) {
	return s.expand(r)
}

func (s *stub) Link(_ context.Context, _ plugins.Node, l plugins.Link) plugins.Diagnostics {
	return s.link(l)
}

func (s *stub) Monitor(_ context.Context, _ plugins.Node, command string) (string, plugins.Diagnostics) {
	return s.monitor(command)
}

func connect(t testing.TB, p plugins.Provider) *Client {
	t.Helper()
	return connectServer(t, NewServer(p))
}

func connectServer(t testing.TB, s proto.ProviderServer) *Client {
	t.Helper()
	listener := bufconn.Listen(1 << 16)
	server := grpc.NewServer(ServerOptions()...)
	proto.RegisterProviderServer(server, s)
	go server.Serve(listener)
	conn, err := grpc.NewClient("passthrough:///x", append(DialOptions(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); server.Stop() })
	return NewClient(proto.NewProviderClient(conn), nil, nil)
}

func object(name string) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{
		"id": cty.StringVal("1"), "name": cty.StringVal(name), "tags": cty.MapValEmpty(cty.String),
		"whatever": cty.NullVal(cty.DynamicPseudoType),
		"port":     cty.ListValEmpty(cty.Object(map[string]cty.Type{"number": cty.Number})),
	})
}

func TestSchemaRoundTrip(t *testing.T) {
	c := connect(t, &stub{})
	got, d := c.Schema(t.Context())
	if d.HasErrors() {
		t.Fatal(d)
	}
	if !reflect.DeepEqual(got, stubSchema) {
		t.Errorf("got  %+v\nwant %+v", got, stubSchema)
	}
}

func TestSchemaRefused(t *testing.T) {
	attribute := func(a *proto.Attribute) *proto.SchemaResponse {
		return &proto.SchemaResponse{Config: &proto.Block{Attributes: []*proto.Attribute{a, {Name: "b", Type: []byte(`"string"`), Optional: true}}}}
	}
	for want, s := range map[string]*proto.SchemaResponse{
		"type":                     attribute(&proto.Attribute{Name: "a", Type: []byte(`"text"`), Optional: true}),
		"neither required":         attribute(&proto.Attribute{Name: "a", Type: []byte(`"string"`)}),
		"empty or stands twice":    attribute(&proto.Attribute{Name: "b", Type: []byte(`"string"`), Optional: true}),
		"default":                  attribute(&proto.Attribute{Name: "a", Type: []byte(`"bool"`), Optional: true, Default: []byte("x")}),
		`the block name "b" is em`: {Config: &proto.Block{Attributes: []*proto.Attribute{{Name: "b", Type: []byte(`"string"`), Optional: true}}, Blocks: []*proto.NestedBlock{{Name: "b"}}}},
	} {
		if _, err := SchemaFrom(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestValuesAndDiagnostics(t *testing.T) {
	var got cty.Value
	c := connect(t, &stub{read: func(_ context.Context, r plugins.ReadRequest) plugins.ReadResult {
		got = r.Object
		return plugins.ReadResult{Object: cty.NullVal(r.Object.Type()), Gone: "caf\xe9", Diagnostics: plugins.Diagnostics{
			{Severity: plugins.Warning, Summary: "not \xff UTF-8", Path: cty.GetAttrPath("port").IndexInt(2).GetAttr("number")},
			{Summary: "an error", Path: cty.GetAttrPath("tags").IndexString("a")},
		}}
	}})
	sent := cty.ObjectVal(map[string]cty.Value{
		"id": cty.UnknownVal(cty.String), "name": cty.StringVal("é\x00").Mark("sensitive"),
		"tags":     cty.MapVal(map[string]cty.Value{"a": cty.UnknownVal(cty.String)}),
		"whatever": cty.TupleVal([]cty.Value{cty.True, cty.NullVal(cty.Number)}),
		"port":     cty.ListVal([]cty.Value{cty.ObjectVal(map[string]cty.Value{"number": cty.MustParseNumberVal("1234567890123456789012")})}),
	})
	c.Read(t.Context(), []plugins.ReadRequest{{Type: "stub_a", Object: sent}}, func(_ int, r plugins.ReadResult) {
		if !r.Object.IsNull() || r.Gone != "caf\uFFFD" || len(r.Diagnostics) != 2 {
			t.Errorf("got %+v", r)
		}
		if d := r.Diagnostics[0]; d.Severity != plugins.Warning || d.Summary != "not \uFFFD UTF-8" || !d.Path.Equals(cty.GetAttrPath("port").IndexInt(2).GetAttr("number")) {
			t.Errorf("got %+v", d)
		}
		if d := r.Diagnostics[1]; !d.Path.Equals(cty.GetAttrPath("tags").IndexString("a")) {
			t.Errorf("got %+v", d)
		}
	})
	want, _ := sent.UnmarkDeep()
	if !got.RawEquals(want) {
		t.Errorf("the value arrives as %#v", got)
	}
}

// Many more requests than any buffer holds, with a slow provider and a slow
// receiver: neither side may wait for the other for ever.
func TestManyReads(t *testing.T) {
	const n = 3000
	big := strings.Repeat("x", 2000)
	c := connect(t, &stub{read: func(_ context.Context, r plugins.ReadRequest) plugins.ReadResult {
		return plugins.ReadResult{Object: r.Object}
	}})
	rs := make([]plugins.ReadRequest, n)
	for i := range rs {
		rs[i] = plugins.ReadRequest{Type: "stub_a", Object: object(fmt.Sprint(i, big))}
	}
	rs[7].Type = "stub_unknown"
	rs[8].Object = cty.StringVal("not an object")
	answers := make([]int, n)
	inside := false
	d := c.Read(t.Context(), rs, func(i int, r plugins.ReadResult) {
		if inside {
			t.Error("two results at a time")
		}
		inside = true
		defer func() { inside = false }()
		if i%500 == 0 {
			time.Sleep(5 * time.Millisecond)
		}
		answers[i]++
		if bad := i == 7 || i == 8; bad != r.Diagnostics.HasErrors() {
			t.Errorf("%d: %v", i, r.Diagnostics)
		} else if !bad && !r.Object.RawEquals(rs[i].Object) {
			t.Errorf("%d: another object", i)
		}
	})
	if d.HasErrors() {
		t.Fatal(d)
	}
	for i, a := range answers {
		if a != 1 {
			t.Fatalf("%d has %d answers", i, a)
		}
	}
}

func TestReadsAreParallel(t *testing.T) {
	together := make(chan bool)
	c := connect(t, &stub{read: func(ctx context.Context, r plugins.ReadRequest) plugins.ReadResult {
		select { // each waits for another one
		case together <- true:
		case <-together:
		case <-time.After(5 * time.Second):
			t.Error("reads come one after the other")
		}
		return plugins.ReadResult{Object: r.Object}
	}})
	rs := make([]plugins.ReadRequest, 2*parallelism)
	for i := range rs {
		rs[i] = plugins.ReadRequest{Type: "stub_a", Object: object("x")}
	}
	if d := c.Read(t.Context(), rs, func(int, plugins.ReadResult) {}); d.HasErrors() {
		t.Error(d)
	}
}

func TestCancelledReads(t *testing.T) {
	c := connect(t, &stub{read: func(ctx context.Context, r plugins.ReadRequest) plugins.ReadResult {
		<-ctx.Done()
		return plugins.ReadResult{Object: r.Object}
	}})
	rs := make([]plugins.ReadRequest, 1000)
	for i := range rs {
		rs[i] = plugins.ReadRequest{Type: "stub_a", Object: object("x")}
	}
	c.Schema(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if d := c.Read(ctx, rs, func(int, plugins.ReadResult) {}); !d.HasErrors() || d[0].Summary != "Read was interrupted" {
		t.Errorf("got %v", d)
	}
}

// liar answers what nobody asked.
type liar struct {
	proto.UnimplementedProviderServer
	ids []int64
}

func (liar) Schema(context.Context, *proto.SchemaRequest) (*proto.SchemaResponse, error) {
	return SchemaTo(stubSchema)
}

func (l liar) Read(s grpc.BidiStreamingServer[proto.ReadRequest, proto.ReadResponse]) error {
	for _, id := range l.ids {
		if err := s.Send(&proto.ReadResponse{Id: id}); err != nil {
			return err
		}
	}
	return nil
}

func TestWrongAnswers(t *testing.T) {
	for want, ids := range map[string][]int64{
		"two answers to request 0":    {0, 0},
		"an answer to request 9 of 2": {0, 9},
		"1 answers to 2 requests":     {0},
	} {
		c := connectServer(t, liar{ids: ids})
		rs := []plugins.ReadRequest{{Type: "stub_a", Object: object("a")}, {Type: "stub_a", Object: object("b")}}
		d := c.Read(t.Context(), rs, func(int, plugins.ReadResult) {})
		if !strings.Contains(d.Error(), want) {
			t.Errorf("%v: got %v, want %q", ids, d, want)
		}
	}
	c := connectServer(t, liar{})
	if _, d := c.Find(t.Context(), plugins.FindRequest{}); !strings.Contains(d.Error(), "does not offer Find") {
		t.Errorf("a missing verb: %v", d)
	}
}

func TestExpandRoundTrip(t *testing.T) {
	prior := make([]plugins.PriorObject, 500)
	for i := range prior {
		prior[i] = plugins.PriorObject{ResourceKey: plugins.ResourceKey{Type: "stub_a", Key: fmt.Sprint(i)}, Object: object("x")}
	}
	request := plugins.ExpandRequest{
		Composition: "c", Label: "l", Flavour: "stub", Config: cty.ObjectVal(map[string]cty.Value{"n": cty.UnknownVal(cty.Number)}),
		Roles:     []plugins.Role{{Name: "r", System: "/nix/store/s", Nodes: []string{"r1", "r2"}, Rest: true, Min: 2, Options: []byte(`{"a":1}`), Switch: true}},
		Artifacts: map[string]string{"image": "/nix/store/i"}, Extra: []byte(`[1]`), Prior: prior,
	}
	result := &plugins.Expansion{
		Resources: []plugins.ExpandedResource{{
			ResourceKey: plugins.ResourceKey{Type: "stub_a", Key: "k"}, Values: object("v"),
			References: []plugins.Reference{{Path: cty.GetAttrPath("name"), From: plugins.ResourceKey{Type: "stub_a", Key: "o"}, Attribute: "id"}},
			DependsOn:  []plugins.ResourceKey{{Type: "stub_a", Key: "p"}},
		}},
		Nodes: []plugins.ExpandedNode{{Name: "n", Role: "r", Index: 1, System: "/nix/store/s", Resource: plugins.ResourceKey{Type: "stub_a", Key: "k"}, Address: "id"}},
		Files: []plugins.ExpandedFile{{Path: "a/b.yaml", Content: []byte("text")}},
	}
	c := connect(t, &stub{expand: func(r plugins.ExpandRequest) (*plugins.Expansion, plugins.Diagnostics) {
		if len(r.Prior) != len(prior) || !r.Prior[499].Object.RawEquals(prior[499].Object) {
			t.Errorf("%d prior objects", len(r.Prior))
		}
		if r.Config.GetAttr("n").IsKnown() {
			t.Error("what is unknown arrives known")
		}
		r.Prior, r.Config = prior, request.Config
		if !reflect.DeepEqual(r, request) {
			t.Errorf("got  %+v\nwant %+v", r, request)
		}
		return result, plugins.Diagnostics{{Severity: plugins.Warning, Summary: "careful"}}
	}})
	e, d := c.Expand(t.Context(), request)
	if len(d) != 1 || d[0].Summary != "careful" {
		t.Errorf("diagnostics %v", d)
	}
	if !reflect.DeepEqual(e, result) {
		t.Errorf("got  %+v\nwant %+v", e, result)
	}
}

func TestTooLargeMessage(t *testing.T) {
	c := connect(t, &stub{read: func(_ context.Context, r plugins.ReadRequest) plugins.ReadResult {
		return plugins.ReadResult{Object: r.Object}
	}})
	d := c.Read(t.Context(), []plugins.ReadRequest{{Type: "stub_a", Object: object(strings.Repeat("x", MaxMessage))}}, func(int, plugins.ReadResult) {})
	if !strings.Contains(d.Error(), "a message is too large") {
		t.Errorf("got %v", d)
	}
}

func BenchmarkRead20000(b *testing.B) {
	c := connect(b, &stub{read: func(_ context.Context, r plugins.ReadRequest) plugins.ReadResult {
		return plugins.ReadResult{Object: r.Object}
	}})
	rs := make([]plugins.ReadRequest, 20000)
	for i := range rs {
		rs[i] = plugins.ReadRequest{Type: "stub_a", Object: object(fmt.Sprint(i))}
	}
	for b.Loop() {
		if d := c.Read(b.Context(), rs, func(int, plugins.ReadResult) {}); d.HasErrors() {
			b.Fatal(d)
		}
	}
}
