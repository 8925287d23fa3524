package docker

import (
	"bufio"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

func TestCgroups(t *testing.T) {
	const hybrid = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
42 31 0:38 /sub /mnt/part rw,relatime - cgroup2 cgroup2 rw
`
	const copying = `40 31 0:38 / /var/lib/docker/overlay2/12ab/merged/sys/fs/cgroup ro,relatime - cgroup2 cgroup2 rw
35 24 0:38 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate
`
	const unified = `24 29 0:22 / /proc rw,nosuid shared:5 - proc proc rw
35 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate
`
	op := sdk.Operation{Operation: plugins.Operation{UUID: "6c47ce6d-69f5-481f-9213-58828d6ba2b8", Attempt: "9f3f64c869b5148c"}}
	for name, test := range map[string]struct {
		mountinfo string
		slices    bool
		mounts    []string
		parent    string
		binds     []string
	}{
		"hybrid": {hybrid, false, []string{"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/unified"}, "/nxc-6c47ce6d69f5-9f3f64c869b5148c", []string{
			"/sys/fs/cgroup/unified:/sys/fs/cgroup:ro",
			"/sys/fs/cgroup/unified/nxc-6c47ce6d69f5-9f3f64c869b5148c:/sys/fs/cgroup/nxc-6c47ce6d69f5-9f3f64c869b5148c:rw",
		}},
		"an engine that copies into a container": {copying, false, []string{"/sys/fs/cgroup"}, "/nxc-6c47ce6d69f5-9f3f64c869b5148c", []string{
			"/sys/fs/cgroup:/sys/fs/cgroup:ro",
			"/sys/fs/cgroup/nxc-6c47ce6d69f5-9f3f64c869b5148c:/sys/fs/cgroup/nxc-6c47ce6d69f5-9f3f64c869b5148c:rw",
		}},
		"version 2, systemd driver": {unified, true, []string{"/sys/fs/cgroup"}, "nxc6c47ce6d69f59f3f64c869b5148c.slice", []string{
			"/sys/fs/cgroup:/sys/fs/cgroup:ro",
			"/sys/fs/cgroup/nxc6c47ce6d69f59f3f64c869b5148c.slice:/sys/fs/cgroup/nxc6c47ce6d69f59f3f64c869b5148c.slice:rw",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c := parseCgroupMounts(strings.NewReader(test.mountinfo))
			c.slices = test.slices
			if diff := cmp.Diff(test.mounts, c.mounts); diff != "" {
				t.Errorf("mounts (-want +got):\n%s", diff)
			}
			parent := c.parent(op)
			if parent != test.parent {
				t.Errorf("parent %q, want %q", parent, test.parent)
			}
			if diff := cmp.Diff(test.binds, c.binds(parent)); diff != "" {
				t.Errorf("binds (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseRoutes(t *testing.T) {
	const routes = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010200C0	0003	0	0	0	00000000	0	0	0
docker0	000011AC	00000000	0001	0	0	0	0000FFFF	0	0	0
eth0	000200C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
`
	got := parseRoutes(strings.NewReader(routes))
	want := prefixes("172.17.0.0/16", "192.0.2.0/24")
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestChoosePools(t *testing.T) {
	for name, test := range map[string]struct {
		config []string
		env    string
		want   string
	}{
		"usual":         {nil, "", "10.89.0.0/16"},
		"environment":   {nil, "10.200.0.0/20, 10.3.0.0/24", "10.200.0.0/20 10.3.0.0/24"},
		"configuration": {[]string{"192.168.9.0/24"}, "10.200.0.0/20", "192.168.9.0/24"},
		"not a prefix":  {nil, "10.200.0.1", `No subnets can be taken from "10.200.0.1": NXC_DOCKER_SUBNETS holds prefixes of IPv4 in CIDR notation, such as 10.200.0.0/16, of at least eight addresses.`},
		"an address":    {[]string{"10.200.0.1/16"}, "", `No subnets can be taken from "10.200.0.1/16": the provider block's subnets holds prefixes of IPv4 in CIDR notation, such as 10.200.0.0/16, of at least eight addresses.`},
		"too small":     {[]string{"10.200.0.0/30"}, "", `No subnets can be taken from "10.200.0.0/30": the provider block's subnets holds prefixes of IPv4 in CIDR notation, such as 10.200.0.0/16, of at least eight addresses.`},
		"IPv6":          {[]string{"fd00::/48"}, "", `No subnets can be taken from "fd00::/48": the provider block's subnets holds prefixes of IPv4 in CIDR notation, such as 10.200.0.0/16, of at least eight addresses.`},
	} {
		t.Run(name, func(t *testing.T) {
			pools, err := choosePools(Config{Subnets: test.config}, func(string) string { return test.env })
			got := fmt.Sprint(err)
			if err == nil {
				if name == "usual" {
					pools = pools[:1]
				}
				got = strings.Trim(fmt.Sprint(pools), "[]")
			}
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// A deployment takes the subnet that is drawn for it, or the first free one, out
// of the pools alone.
func TestSubnetsOfPools(t *testing.T) {
	e := &engine{seed: "/project", pools: prefixes("10.200.0.0/23", "10.3.0.0/24")}
	seen := map[netip.Prefix]bool{}
	for _, deployment := range []string{"a", "b", "c"} {
		p, err := e.subnetFor(deployment, 2)
		if err != nil || seen[p] || !slices.ContainsFunc(e.pools, p.Overlaps) {
			t.Errorf("%s: %s, %v", deployment, p, err)
		}
		seen[p] = true
	}
	if p, err := e.subnetFor("d", 2); err == nil {
		t.Errorf("d: %s, and there is none left", p)
	}
}

func TestSubnetWidth(t *testing.T) {
	for nodes, want := range map[int]int{1: 24, 100: 24, 126: 24, 127: 23, 500: 22, 10000: 17} {
		if got := subnetWidth(nodes); got != want {
			t.Errorf("%d nodes: /%d, want /%d", nodes, got, want)
		}
	}
}

func TestListeners(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0000 100 0 0 10 0
   1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0000 100 0 0 10 0
   2: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0000 100 0 0 10 0
`
	got := listeners(bufio.NewScanner(strings.NewReader(table)), 8080)
	if diff := cmp.Diff([]string{"111"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMountedInMemory(t *testing.T) {
	const mountinfo = `1 0 0:60 / / rw - fuse.fuse-overlayfs fuse-overlayfs rw
2 1 0:61 / /proc rw - proc proc rw
3 1 0:62 / /run rw - tmpfs tmpfs rw
4 1 8:1 /v /run/data rw - ext4 /dev/sda1 rw
5 1 0:60 /etc/hosts /etc/hosts rw - ext4 /dev/sda1 rw
`
	for path, want := range map[string]bool{"/etc": false, "/run": true, "/run/x/y": true, "/running": false, "/run/data/x": false, "/proc/1": true, "/": false} {
		if got := mountedInMemory(strings.NewReader(mountinfo), path); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}
