package platform

import (
	"fmt"
	"strconv"

	"github.com/nixos-compose/nxc/providers/g5k/simulator/oar"
)

// Resources are what the site's OAR gives to jobs.
func (s Site) Resources() []*oar.Resource {
	var all []*oar.Resource
	for _, c := range s.Clusters {
		for i := 1; i <= c.Nodes; i++ {
			all = append(all, &oar.Resource{
				Kind: "default", Name: c.Node(i), Slots: c.CPUs * c.Cores, CPUs: c.CPUs, State: oar.Alive, Properties: c.properties(i),
			})
		}
	}
	for _, c := range s.Clusters {
		for i := 1; i <= c.Nodes; i++ {
			for n, d := range c.Disks {
				if d.Reservable {
					all = append(all, c.disk(i, n, d))
				}
			}
		}
	}
	for _, v := range s.Vlans() {
		id := strconv.Itoa(v.ID)
		all = append(all, &oar.Resource{Kind: v.Kind, Name: id, Slots: 1, State: oar.Alive, Properties: map[string]string{"type": v.Kind, "vlan": id}})
	}
	for _, subnet := range s.Subnets() {
		all = append(all, &oar.Resource{Kind: "subnet", Name: subnet, Slots: 1, State: oar.Alive, Properties: map[string]string{"type": "subnet", "slash_22": subnet}})
	}
	return all
}

func (c Cluster) properties(i int) map[string]string {
	return map[string]string{
		"type": "default", "cluster": c.Name, "host": c.Node(i), "network_address": c.Node(i), "ip": c.Address(i), "nodeset": c.Name,
		"deploy": "YES", "besteffort": "YES", "maintenance": "NO", "production": yes(c.Queue == "production"), "exotic": yes(c.Exotic),
		"core_count": strconv.Itoa(c.CPUs * c.Cores), "cpucore": strconv.Itoa(c.Cores), "cpuarch": "x86_64",
		"cputype": "Intel Xeon " + c.CPUVersion, "cpufreq": strconv.FormatFloat(c.ClockGHz, 'f', -1, 64),
		"thread_count": strconv.Itoa(2 * c.CPUs * c.Cores), "memnode": strconv.Itoa(c.MemoryGiB << 10), "memcpu": strconv.Itoa(c.MemoryGiB << 10 / c.CPUs),
		"memcore": strconv.Itoa(c.MemoryGiB << 10 / c.CPUs / c.Cores), "disktype": "SATA/" + c.Disks[0].Kind,
		"eth_count": "1", "eth_rate": strconv.Itoa(c.RateGbps), "gpu_count": "0", "ib_count": "0", "ib": "NO", "opa_count": "0", "virtual": "ivt",
		"switch": "gw-" + c.Site,
	}
}

func (c Cluster) disk(i, n int, d Disk) *oar.Resource {
	name := "disk" + strconv.Itoa(n)
	return &oar.Resource{
		Kind: "disk", Name: name + "." + c.Node(i), Slots: 1, State: oar.Alive,
		Properties: map[string]string{
			"type": "disk", "cluster": c.Name, "host": c.Node(i), "disk": fmt.Sprintf("%s.%s-%d", name, c.Name, i),
			"diskpath": fmt.Sprintf("/dev/disk/by-path/pci-0000:00:11.5-ata-%d", n+1), "disktype": "SATA/" + d.Kind,
		},
	}
}

func yes(b bool) string {
	if b {
		return "YES"
	}
	return "NO"
}
