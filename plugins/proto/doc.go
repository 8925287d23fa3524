// Package proto is the wire form of the contract between nxc and a provider
// plugin: provider.proto, whose comments are the contract, and the code that
// protoc makes of it. Conversions live in plugins/wire.
package proto
