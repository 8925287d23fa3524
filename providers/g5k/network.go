package g5k

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/nixos-compose/nxc/providers/g5k/reach"
)

// ways are the connections to machines by ssh, which all handlers share.
type ways struct {
	once    sync.Once
	network *reach.Network

	mu       sync.Mutex
	seen     map[string]string          // fingerprints of host keys, by node
	sessions map[string]*seat           // by object
	claimed  map[string]map[string]bool // hosts that nodes of this process take, by job
}

// network leads to frontends and nodes. It opens nothing before it is used.
func (t *testbed) network() *reach.Network {
	t.ways.once.Do(func() {
		t.ways.network = reach.New(reach.Options{
			User: t.config.User, Gateway: t.gateway(), Key: t.config.SSHKey, KnownHosts: t.config.KnownHosts,
			Pinned: filepath.Join(t.folders.State, "known_hosts"), Home: t.getenv("HOME"), Getenv: t.getenv,
		})
	})
	return t.ways.network
}

// gateway is the access machine; none within Grid'5000.
func (t *testbed) gateway() string {
	if t.config.Gateway != nil {
		return *t.config.Gateway
	}
	name, _ := os.Hostname()
	otherwise := publicGateway
	if strings.HasSuffix(name, ".grid5000.fr") {
		otherwise = ""
	}
	return cmp.Or(t.getenv("NXC_G5K_GATEWAY"), otherwise)
}
