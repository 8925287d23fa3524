// Package platform describes the machines of a simulated Grid'5000: sites,
// clusters and nodes, as the reference API tells them and as OAR counts them.
//
// The clusters have the names, sizes and main figures of real ones. What
// nobody reads here, such as serial numbers and sensors, is left out or made
// up by a rule.
package platform

import (
	"fmt"
	"slices"
)

// Site is a site.
type Site struct {
	Name      string
	Location  string
	Latitude  float64
	Longitude float64
	Index     int // its place in the numbering of networks
	Clusters  []Cluster
}

// Cluster is a set of equal nodes.
type Cluster struct {
	Name       string
	Site       string
	Nodes      int
	Model      string
	CPU        string // as the processor calls itself
	CPUVersion string
	CPUFamily  string
	CPUs       int // in a node
	Cores      int // in a CPU
	ClockGHz   float64
	MemoryGiB  int
	Disks      []Disk
	RateGbps   int // of the first network interface
	Created    string
	Queue      string // default or production
	Exotic     bool
	network    int // third number of its addresses
}

// Disk is a disk of a node.
type Disk struct {
	Kind       string // SSD or HDD
	GB         int
	Reservable bool
}

// Domain is where all names end.
const Domain = "grid5000.fr"

// sites are what is simulated.
func sites() []Site {
	return []Site{
		{Name: "grenoble", Location: "Grenoble, France", Latitude: 45.19021, Longitude: 5.76705, Index: 1, Clusters: []Cluster{
			{Name: "dahu", Nodes: 72, Model: "Dell PowerEdge C6420", CPU: "Intel(R) Xeon(R) Gold 6130 CPU @ 2.10GHz", CPUVersion: "Gold 6130", CPUFamily: "Skylake-SP", CPUs: 2, Cores: 16, ClockGHz: 2.1, MemoryGiB: 192, Disks: []Disk{{"SSD", 240, false}, {"SSD", 480, true}, {"HDD", 4000, true}}, RateGbps: 10, Created: "2018-03-22", Queue: "default", network: 20},
			{Name: "troll", Nodes: 4, Model: "Dell PowerEdge R640", CPU: "Intel(R) Xeon(R) Gold 5218 CPU @ 2.30GHz", CPUVersion: "Gold 5218", CPUFamily: "Cascade Lake-SP", CPUs: 2, Cores: 16, ClockGHz: 2.3, MemoryGiB: 384, Disks: []Disk{{"SSD", 480, false}, {"SSD", 1600, false}}, RateGbps: 25, Created: "2019-12-23", Queue: "default", Exotic: true, network: 21},
		}},
		{Name: "lyon", Location: "Lyon, France", Latitude: 45.7292, Longitude: 4.8275, Index: 3, Clusters: []Cluster{
			{Name: "nova", Nodes: 23, Model: "Dell PowerEdge R430", CPU: "Intel(R) Xeon(R) CPU E5-2620 v4 @ 2.10GHz", CPUVersion: "E5-2620 v4", CPUFamily: "Broadwell", CPUs: 2, Cores: 8, ClockGHz: 2.1, MemoryGiB: 64, Disks: []Disk{{"HDD", 598, false}}, RateGbps: 10, Created: "2017-03-01", Queue: "default", network: 49},
			{Name: "taurus", Nodes: 12, Model: "Dell PowerEdge R720", CPU: "Intel(R) Xeon(R) CPU E5-2630 0 @ 2.30GHz", CPUVersion: "E5-2630", CPUFamily: "Sandy Bridge", CPUs: 2, Cores: 6, ClockGHz: 2.3, MemoryGiB: 32, Disks: []Disk{{"HDD", 598, false}}, RateGbps: 10, Created: "2012-09-14", Queue: "default", network: 48},
		}},
		{Name: "nancy", Location: "Nancy, France", Latitude: 48.7000, Longitude: 6.2000, Index: 5, Clusters: []Cluster{
			{Name: "gros", Nodes: 124, Model: "Dell PowerEdge R640", CPU: "Intel(R) Xeon(R) Gold 5220 CPU @ 2.20GHz", CPUVersion: "Gold 5220", CPUFamily: "Cascade Lake-SP", CPUs: 1, Cores: 18, ClockGHz: 2.2, MemoryGiB: 96, Disks: []Disk{{"SSD", 480, false}, {"SSD", 960, true}}, RateGbps: 25, Created: "2019-08-01", Queue: "default", network: 75},
			{Name: "grisou", Nodes: 48, Model: "Dell PowerEdge R630", CPU: "Intel(R) Xeon(R) CPU E5-2630 v3 @ 2.40GHz", CPUVersion: "E5-2630 v3", CPUFamily: "Haswell", CPUs: 2, Cores: 8, ClockGHz: 2.4, MemoryGiB: 128, Disks: []Disk{{"HDD", 600, false}, {"HDD", 600, false}}, RateGbps: 10, Created: "2016-01-04", Queue: "default", network: 72},
			{Name: "grappe", Nodes: 16, Model: "Dell PowerEdge R640", CPU: "Intel(R) Xeon(R) Gold 5218R CPU @ 2.10GHz", CPUVersion: "Gold 5218R", CPUFamily: "Cascade Lake-SP", CPUs: 2, Cores: 20, ClockGHz: 2.1, MemoryGiB: 96, Disks: []Disk{{"SSD", 480, false}, {"HDD", 8000, false}}, RateGbps: 25, Created: "2020-08-20", Queue: "production", network: 79},
		}},
		{Name: "rennes", Location: "Rennes, France", Latitude: 48.1000, Longitude: -1.6667, Index: 7, Clusters: []Cluster{
			{Name: "paravance", Nodes: 72, Model: "Dell PowerEdge R630", CPU: "Intel(R) Xeon(R) CPU E5-2630 v3 @ 2.40GHz", CPUVersion: "E5-2630 v3", CPUFamily: "Haswell", CPUs: 2, Cores: 8, ClockGHz: 2.4, MemoryGiB: 128, Disks: []Disk{{"HDD", 600, false}, {"HDD", 600, true}}, RateGbps: 10, Created: "2015-01-13", Queue: "default", network: 99},
			{Name: "parasilo", Nodes: 27, Model: "Dell PowerEdge R630", CPU: "Intel(R) Xeon(R) CPU E5-2630 v3 @ 2.40GHz", CPUVersion: "E5-2630 v3", CPUFamily: "Haswell", CPUs: 2, Cores: 8, ClockGHz: 2.4, MemoryGiB: 128, Disks: []Disk{{"HDD", 600, false}, {"HDD", 600, true}, {"HDD", 600, true}, {"SSD", 200, true}}, RateGbps: 10, Created: "2015-01-13", Queue: "default", network: 97},
		}},
	}
}

// Sites returns the sites. With sizes, only the clusters that it names are
// there, each with so many nodes; a size of 0 is the real one.
func Sites(sizes map[string]int) ([]Site, error) {
	all := sites()
	left := map[string]bool{}
	for name, n := range sizes {
		if n < 0 || n > 4000 {
			return nil, fmt.Errorf("cluster %s: a cluster has 1 to 4000 nodes, not %d", name, n)
		}
		left[name] = true
	}
	for i := range all {
		for j := range all[i].Clusters {
			c := &all[i].Clusters[j]
			c.Site = all[i].Name
			if n := sizes[c.Name]; n > 0 {
				c.Nodes = n
			}
			delete(left, c.Name)
		}
		if len(sizes) > 0 {
			all[i].Clusters = slices.DeleteFunc(all[i].Clusters, func(c Cluster) bool { _, named := sizes[c.Name]; return !named })
		}
	}
	all = slices.DeleteFunc(all, func(s Site) bool { return len(s.Clusters) == 0 })
	if len(left) > 0 {
		names := make([]string, 0, len(left))
		for name := range left {
			names = append(names, name)
		}
		slices.Sort(names)
		return nil, fmt.Errorf("there is no cluster %s; there are %s", names[0], clusterNames())
	}
	return all, nil
}

func clusterNames() (names []string) {
	for _, s := range sites() {
		for _, c := range s.Clusters {
			names = append(names, c.Name)
		}
	}
	return names
}

// Node is the full name of a cluster's node, counted from 1.
func (c Cluster) Node(i int) string { return fmt.Sprintf("%s-%d.%s.%s", c.Name, i, c.Site, Domain) }

// Address is the node's address in the production network.
func (c Cluster) Address(i int) string { return c.address(16, i) }

func (c Cluster) address(second, i int) string {
	return fmt.Sprintf("172.%d.%d.%d", second, c.network+i/250, 1+(i-1)%250)
}

// Frontend is the full name of the site's frontend.
func (s Site) Frontend() string { return fmt.Sprintf("f%s.%s.%s", s.Name, s.Name, Domain) }

// Vlan is a vlan that jobs may reserve.
type Vlan struct {
	ID   int
	Kind string // kavlan-local, kavlan, kavlan-global
}

// Vlans are the site's: three local ones behind a gateway, six that are
// routed, and one that reaches all sites.
func (s Site) Vlans() []Vlan {
	var all []Vlan
	for id := 1; id <= 3; id++ {
		all = append(all, Vlan{id, "kavlan-local"})
	}
	for id := 4; id <= 9; id++ {
		all = append(all, Vlan{id, "kavlan"})
	}
	return append(all, Vlan{10 + s.Index, "kavlan-global"})
}

// Subnets are the ranges of addresses that jobs may reserve for their virtual
// machines.
func (s Site) Subnets() []string {
	var all []string
	for i := range 8 {
		all = append(all, fmt.Sprintf("10.%d.%d.0/22", 128+4*s.Index, 4*i))
	}
	return all
}
