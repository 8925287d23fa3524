package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/nixos-compose/nxc/plugins"
	pb "github.com/nixos-compose/nxc/plugins/proto"
	"github.com/nixos-compose/nxc/plugins/wire"
)

// Schema returns what a plugin offers: from the cache when this very program
// has been asked before, otherwise by starting it.
func Schema(ctx context.Context, o Options) (*plugins.Schema, plugins.Diagnostics) {
	if s, ok := CachedSchema(o.Cache, o); ok {
		return s, nil
	}
	c, d := Launch(ctx, o)
	if d.HasErrors() {
		return nil, d
	}
	defer c.Close(ctx)
	return c.Schema(ctx)
}

// CachedSchema returns the schema that the plugin gave before, when its
// program has not changed since. It starts nothing.
func CachedSchema(cache string, o Options) (*plugins.Schema, bool) {
	name, err := schemaName(cache, o)
	if err != nil || cache == "" {
		return nil, false
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, false
	}
	var response pb.SchemaResponse
	if proto.Unmarshal(content, &response) != nil {
		return nil, false
	}
	s, err := wire.SchemaFrom(&response)
	return s, err == nil && s.Provider == o.Name
}

func storeSchema(cache string, o Options, s *plugins.Schema) error {
	name, err := schemaName(cache, o)
	if err != nil {
		return err
	}
	response, err := wire.SchemaTo(s)
	if err != nil {
		return err
	}
	content, err := proto.MarshalOptions{Deterministic: true}.Marshal(response)
	if err != nil {
		return err
	}
	return writeCache(name, content)
}

// schemaName names the cache's file for the program, its arguments (one
// program may serve several providers) and the protocol's version.
func schemaName(cache string, o Options) (string, error) {
	sum, err := Checksum(o.Path, cache)
	if err != nil {
		return "", err
	}
	key := sha256.Sum256([]byte(sum + "\x00" + strings.Join(o.Args, "\x00") + "\x00" + o.Name))
	return filepath.Join(cache, "schema-v1-"+hex.EncodeToString(key[:16])), nil
}
