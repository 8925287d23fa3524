package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"
	"github.com/moby/moby/client/pkg/versions"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// oldestAPI is the first version of the engine's interface with control over a
// container's cgroup namespace, which systemd inside needs: Docker 20.10.
const oldestAPI = "1.41"

// engine is a Docker engine, as every handler sees it. It is filled by
// configure and read-only afterwards, but for the chosen subnets.
type engine struct {
	client   *client.Client
	endpoint endpoint
	info     system.Info
	version  client.ServerVersionResult
	cgroup   cgroups
	project  string // the configuration's folder
	store    sdk.NixStore
	seed     string             // what spreads deployments over the first pool, see startOf
	pools    []netip.Prefix     // whence subnets come, see choosePools
	hook     client.RequestHook // sees every request; for tests
	taken    []netip.Prefix     // subnets in use when we looked

	mu      sync.Mutex
	chosen  map[string]netip.Prefix // deployment to subnet, see subnetFor
	running []container.Summary     // see containersNow
	removed map[string]bool         // see firstRemoval
}

// configure connects to the engine and looks at what the flavour must know.
// It changes nothing.
func (e *engine) configure(ctx context.Context, c Config, folders plugins.Folders) (plugins.Location, error) {
	ep, err := chooseEndpoint(c, ownEnvironment())
	if err != nil {
		return plugins.Location{}, err
	}
	e.endpoint, e.project, e.seed, e.store = ep, folders.Project, folders.Project, sdk.NixStore(folders.StoreRoot)
	if e.pools, err = choosePools(c, os.Getenv); err != nil {
		return plugins.Location{}, err
	}
	if err := e.connect(ctx); err != nil {
		return plugins.Location{}, err
	}
	if err := e.observe(ctx); err != nil {
		return plugins.Location{}, err
	}
	return plugins.Location{Kind: "docker-engine", ID: e.identity(), Label: "engine " + e.info.Name}, nil
}

// runsSystems refuses engines whose containers cannot run a systemd.
func (e *engine) runsSystems() error {
	if e.info.CgroupDriver != "none" {
		return nil
	}
	return sdk.Error("This Docker engine cannot run systems",
		fmt.Sprintf("The engine %s (from %s) runs without root on a host with control groups of version %s, of which it gives its containers none; a node's systemd needs some. Use an engine that runs as root, or a host with version 2, where a user has them from systemd. Single containers (docker_container) work.",
			e.info.Name, e.endpoint.source, e.info.CgroupVersion))
}

// identity is what tells the engine from all others. Docker keeps one; other
// makes have none, and Podman draws another at every question, so theirs is the
// host's name and where they keep their data.
func (e *engine) identity() string {
	switch {
	case e.isPodman():
		return "podman:" + e.info.Name + ":" + e.info.DockerRootDir
	case e.info.ID == "":
		return "name:" + e.info.Name
	}
	return e.info.ID
}

// isPodman reports whether the engine is Podman behind Docker's API.
func (e *engine) isPodman() bool {
	return slices.ContainsFunc(e.version.Components, func(c system.ComponentVersion) bool { return strings.HasPrefix(c.Name, "Podman") })
}

// connect makes the client and asks the engine who it is.
func (e *engine) connect(ctx context.Context) error {
	opts, err := e.endpoint.options()
	if err != nil {
		return err
	}
	if err := reach(ctx, e.endpoint); err != nil {
		return err
	}
	if e.hook != nil {
		opts = append(opts, client.WithHTTPRequestHook(e.hook))
	}
	if e.client, err = client.New(opts...); err != nil {
		return fmt.Errorf("prepare the connection to %s: %w", e.endpoint.host, err)
	}
	ping, err := e.client.Ping(ctx, client.PingOptions{})
	if err != nil {
		if told := sshComplaint(ctx, e.endpoint); told != "" {
			return sdk.Error("The Docker engine is not reached by ssh",
				fmt.Sprintf("%s says %s, and ssh says: %s. Try: ssh %s docker version", e.endpoint.source, e.endpoint.host, told, strings.TrimPrefix(e.endpoint.host, "ssh://")))
		}
		return sdk.Error("No Docker engine answers at "+e.endpoint.host,
			fmt.Sprintf("%s (the address comes from %s).", err, e.endpoint.source))
	}
	if ping.APIVersion != "" && versions.LessThan(ping.APIVersion, oldestAPI) {
		return sdk.Error("The Docker engine is too old",
			fmt.Sprintf("The engine at %s speaks version %s of its API; nxc needs %s, which came with Docker 20.10. Install a newer engine, or name another in DOCKER_HOST.", e.endpoint.host, ping.APIVersion, oldestAPI))
	}
	if ping.OSType != "" && ping.OSType != "linux" {
		return sdk.Error("The Docker engine does not run Linux containers",
			fmt.Sprintf("The engine at %s runs %s containers. Switch it to Linux containers, or name another in DOCKER_HOST.", e.endpoint.host, ping.OSType))
	}
	info, err := e.client.Info(ctx, client.InfoOptions{})
	if err != nil {
		return fmt.Errorf("ask the engine at %s what it is: %w", e.endpoint.host, err)
	}
	e.info = info.Info
	if e.version, err = e.client.ServerVersion(ctx, client.ServerVersionOptions{}); err != nil {
		return fmt.Errorf("ask the engine at %s for its version: %w", e.endpoint.host, err)
	}
	return nil
}

// reach tries a socket of this machine before the client does, because the
// plain error tells a missing engine from a missing permission.
func reach(ctx context.Context, ep endpoint) error {
	path, isSocket := strings.CutPrefix(ep.host, "unix://")
	if !isSocket {
		return nil
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	switch {
	case err == nil:
		return conn.Close()
	case errors.Is(err, fs.ErrPermission):
		return sdk.Error("No permission to use the Docker engine",
			fmt.Sprintf("The socket %s (from %s) is closed to this user. Join its group with: sudo usermod -aG docker $USER, then log in again; or name an engine of your own in DOCKER_HOST.", path, ep.source))
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return sdk.Error("No Docker engine runs here",
			fmt.Sprintf("Nothing listens at %s (from %s). Start it with: sudo systemctl start docker; install it with: sudo apt-get install docker.io; or name another engine in DOCKER_HOST.", path, ep.source))
	}
	return fmt.Errorf("reach the Docker engine at %s (from %s): %w", path, ep.source, err)
}

// observe looks at what addresses are in use and how the engine's host holds
// its control groups.
func (e *engine) observe(ctx context.Context) error {
	list, err := e.client.NetworkList(ctx, client.NetworkListOptions{})
	if err != nil {
		return fmt.Errorf("list the engine's networks: %w", err)
	}
	e.taken = nil
	for _, n := range list.Items {
		for _, c := range n.IPAM.Config {
			if c.Subnet.IsValid() {
				e.taken = append(e.taken, c.Subnet.Masked())
			}
		}
	}
	if e.endpoint.local() {
		e.taken = append(e.taken, hostRoutes()...)
	}
	e.cgroup = e.findCgroups()
	return nil
}

// sameHost reports whether the engine's file system is ours: a socket of this
// machine may lead into another one.
func (e *engine) sameHost() bool {
	name, err := os.Hostname()
	return err == nil && e.endpoint.local() && name == e.info.Name
}

// committed is a context for a request that makes something. The engine may
// carry it out although nobody waits for the answer any more, so such a request
// is not begun once ctx ended, and is seen through when ctx ends during it.
func committed(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	through, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	return through, cancel, nil
}

// EngineInfo is what the data source docker_engine tells.
type EngineInfo struct {
	ID            string `nxc:"id,computed" doc:"The engine's identifier."`
	Name          string `nxc:"name,computed" doc:"Name of the engine's host."`
	Version       string `nxc:"version,computed" doc:"The engine's version."`
	APIVersion    string `nxc:"api_version,computed" doc:"The newest version of the API that the engine speaks."`
	OS            string `nxc:"os,computed" doc:"Operating system of the engine's host."`
	Arch          string `nxc:"arch,computed" doc:"Architecture of the engine's host."`
	Kernel        string `nxc:"kernel,computed" doc:"Kernel version of the engine's host."`
	CgroupVersion string `nxc:"cgroup_version,computed" doc:"Version of the control groups, 1 or 2."`
	CgroupDriver  string `nxc:"cgroup_driver,computed" doc:"What makes control groups: cgroupfs or systemd."`
	RootDir       string `nxc:"root_dir,computed" doc:"Where the engine keeps its data."`
	CPUs          int64  `nxc:"cpus,computed" doc:"Number of processors."`
	Memory        int64  `nxc:"memory,computed" doc:"Memory in bytes."`
}

// describe reads the data source docker_engine.
func (e *engine) describe(_ context.Context, want *EngineInfo) error {
	*want = EngineInfo{
		ID:            e.info.ID,
		Name:          e.info.Name,
		Version:       e.info.ServerVersion,
		APIVersion:    e.version.APIVersion,
		OS:            e.info.OperatingSystem,
		Arch:          e.info.Architecture,
		Kernel:        e.info.KernelVersion,
		CgroupVersion: e.info.CgroupVersion,
		CgroupDriver:  e.info.CgroupDriver,
		RootDir:       e.info.DockerRootDir,
		CPUs:          int64(e.info.NCPU),
		Memory:        e.info.MemTotal,
	}
	return nil
}
