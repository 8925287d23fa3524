package oar

import (
	"math/bits"
	"slices"
)

// Resource is what jobs reserve: a node with its cores, a vlan, a subnet, a
// disk of a node.
type Resource struct {
	Kind       string            // "default" is a node; kavlan, kavlan-local, kavlan-global, subnet, disk
	Name       string            // a node's full name, a vlan's number, a subnet, DISK.NODE
	Slots      int               // a node's cores, 1 for the others
	CPUs       int               // a node's processors
	Properties map[string]string // what requests select by
	State      NodeState
}

// NodeState is what OAR believes of a resource.
type NodeState string

// OAR's states. Only resources that are alive are given to jobs; those that
// are dead do not count as existing.
const (
	Alive     NodeState = "Alive"
	Absent    NodeState = "Absent"
	Suspected NodeState = "Suspected"
	Dead      NodeState = "Dead"
)

// properties that a condition may name, with and without a value on a
// resource. SQL refuses any other.
func isProperty(name string) bool {
	return slices.Contains([]string{
		"available_upto", "besteffort", "chassis", "cluster", "comment", "core", "core_count", "cpu", "cpuarch", "cpucore",
		"cpufreq", "cpuset", "cputype", "deploy", "desktop_computing", "disk", "disk_reservation_count", "diskpath", "disktype",
		"drain", "eth_count", "eth_rate", "exotic", "finaud_decision", "gpu", "gpu_count", "gpu_model", "grub", "host", "ib",
		"ib_count", "ip", "last_available_upto", "last_job_date", "maintenance", "max_walltime", "memcore", "memcpu", "memnode",
		"myri", "network_address", "nodeset", "opa_count", "opa_rate", "production", "rconsole", "resource_id", "slash_16",
		"slash_17", "slash_18", "slash_19", "slash_20", "slash_21", "slash_22", "state", "subnet_address", "subnet_prefix",
		"switch", "thread_count", "type", "virtual", "vlan", "wattmeter",
	}, name)
}

// slots is a set of a resource's slots, at most 256 of them.
type slots [4]uint64

func firstSlots(n int) (s slots) {
	for i := range min(n, 256) {
		s.add(i)
	}
	return s
}

func (s *slots) add(i int) { s[i/64] |= 1 << (i % 64) }

func (s slots) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }

func (s slots) count() (n int) {
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	return n
}

func (s slots) or(t slots) slots {
	for i := range s {
		s[i] |= t[i]
	}
	return s
}

func (s slots) without(t slots) slots {
	for i := range s {
		s[i] &^= t[i]
	}
	return s
}

func (s slots) and(t slots) slots {
	for i := range s {
		s[i] &= t[i]
	}
	return s
}

// list returns the numbers in the set, ascending.
func (s slots) list() (all []int) {
	for i := range 256 {
		if s.has(i) {
			all = append(all, i)
		}
	}
	return all
}

// allocation is what a job has of each resource, by the resource's place.
type allocation map[int]slots

// places returns the places of the resources, ascending: the order in which
// OAR's database has them.
func (a allocation) places() []int {
	all := make([]int, 0, len(a))
	for i := range a {
		all = append(all, i)
	}
	slices.Sort(all)
	return all
}
