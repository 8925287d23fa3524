package sdktest

import (
	"context"
	"net"
	"os"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/proto"
	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/wire"
)

// Serve serves a provider in this process, over gRPC and the protocol's own
// messages, and returns the client's side. It ends with the test.
func Serve(t testing.TB, p sdk.Provider) plugins.Provider {
	t.Helper()
	provider, err := sdk.New(p)
	if err != nil {
		t.Fatal(err)
	}
	listener := bufconn.Listen(1 << 20)
	server := grpc.NewServer(wire.ServerOptions()...)
	proto.RegisterProviderServer(server, wire.NewServer(provider))
	go server.Serve(listener)
	conn, err := grpc.NewClient("passthrough:///plugin", append(wire.DialOptions(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
	)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
	})
	return wire.NewClient(proto.NewProviderClient(conn), nil, nil)
}

// pluginArgument makes the test program a plugin; see Main.
const pluginArgument = "serve-plugin-for-sdktest"

// Main is called first thing in TestMain: in a child process that Self starts,
// or that the provider starts with sdk.Program, it serves the provider and does
// not return.
func Main(p func() sdk.Provider) {
	if sdk.IsProgram() || len(os.Args) == 2 && os.Args[1] == pluginArgument {
		sdk.Serve(p())
		os.Exit(0)
	}
}

// Self is the Suite.Command of a test program whose TestMain calls Main.
func Self() []string { return []string{os.Args[0], pluginArgument} }
