// Package wire carries plugins.Provider over gRPC: NewServer answers calls
// with a Provider, NewClient is a Provider that makes them.
//
// It is the one place that knows both the contract's Go form (package plugins)
// and its wire form (package proto). It starts no process and opens no socket;
// that is plugins/host on the one side and plugins/sdk on the other.
package wire

import (
	"context"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/proto"
)

const (
	// ProtocolVersion is the version of the contract in provider.proto.
	ProtocolVersion = 1
	// MaxMessage bounds one message, in both directions.
	MaxMessage = 64 << 20
	// PluginName is the name under which go-plugin dispenses the provider.
	PluginName = "provider"
	// HostPipe is the environment variable that names the descriptor of the
	// pipe whose end tells a plugin that its host is gone.
	HostPipe = "NXC_HOST_PIPE"
	// HostPID is the environment variable that names the host's process, by
	// which a plugin is known when its host is gone.
	HostPID = "NXC_PLUGIN_HOST"
	// LogLevel is the environment variable with the least level that the host
	// wants to see in the plugin's log.
	LogLevel = "NXC_PLUGIN_LOG"

	chunkSize   = 32 << 10  // of byte streams
	stdinWindow = 256 << 10 // of stdin that a program has not taken yet
	flowWindow  = 1 << 20   // of HTTP/2, for one stream and for the connection
)

// Handshake tells a plugin that is started by nxc from one started by hand.
var Handshake = plugin.HandshakeConfig{
	MagicCookieKey:   "NXC_PLUGIN",
	MagicCookieValue: "7c1f0a52-provider",
}

// ServerOptions are the options of a gRPC server for a provider.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(MaxMessage), grpc.MaxSendMsgSize(MaxMessage),
		grpc.InitialWindowSize(flowWindow), grpc.InitialConnWindowSize(flowWindow),
	}
}

// DialOptions are the options of a gRPC connection to a provider.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxMessage), grpc.MaxCallSendMsgSize(MaxMessage)),
		grpc.WithInitialWindowSize(flowWindow), grpc.WithInitialConnWindowSize(flowWindow),
	}
}

// Plugin is go-plugin's view of the protocol: a plugin serves Provider, the
// host dispenses a proto.ProviderClient.
type Plugin struct {
	plugin.NetRPCUnsupportedPlugin
	Provider plugins.Provider // in a plugin
}

// GRPCServer registers the provider's service.
func (p *Plugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	proto.RegisterProviderServer(s, NewServer(p.Provider))
	return nil
}

// GRPCClient returns a proto.ProviderClient.
func (p *Plugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return proto.NewProviderClient(c), nil
}

var _ plugin.GRPCPlugin = (*Plugin)(nil)
