package platform

import (
	"fmt"
	"strconv"
	"time"
)

// Object is a JSON object as the API tells it.
type Object = map[string]any

// Describe tells the site as the reference API does.
func (s Site) Describe() Object {
	vlans := Object{"default": Object{
		"gateway": fmt.Sprintf("172.16.%d.254", 16*s.Index+15), "network": fmt.Sprintf("172.16.%d.0/20", 16*s.Index),
	}}
	for _, v := range s.Vlans() {
		network, gateway := s.vlanNetwork(v)
		vlans[strconv.Itoa(v.ID)] = Object{"gateway": gateway, "network": network}
	}
	return Object{
		"compilation_server": false, "description": "Grid5000 " + title(s.Name) + " site",
		"email_contact": "support-staff@lists.grid5000.fr", "frontend_ip": fmt.Sprintf("172.16.%d.101", 16*s.Index+15),
		"g5ksubnet": Object{"gateway": fmt.Sprintf("10.%d.255.254", 131+4*s.Index), "network": fmt.Sprintf("10.%d.0.0/14", 128+4*s.Index)},
		"ipv6":      Object{"prefix": fmt.Sprintf("2001:660:4406:%d00::/56", s.Index), "site_global_kavlan": 10 + s.Index, "site_index": s.Index},
		"kavlans":   vlans, "latitude": s.Latitude, "location": s.Location, "longitude": s.Longitude, "name": title(s.Name),
		"production": true, "scheduler": "oar", "security_contact": "support-staff@lists.grid5000.fr",
		"sys_admin_contact": "support-staff@lists.grid5000.fr", "type": "site", "uid": s.Name,
		"user_support_contact": "support-staff@lists.grid5000.fr", "virt_ip_range": fmt.Sprintf("10.%d.0.0/14", 128+4*s.Index),
		"web": "https://www.grid5000.fr/w/" + title(s.Name) + ":Home",
	}
}

// vlanNetwork is the network of a vlan and its gateway.
func (s Site) vlanNetwork(v Vlan) (network, gateway string) {
	switch v.Kind {
	case "kavlan-local":
		return fmt.Sprintf("192.168.%d.0/20", 176+16*v.ID), fmt.Sprintf("192.168.%d.254", 191+16*v.ID)
	case "kavlan":
		return fmt.Sprintf("10.%d.%d.0/18", 4*s.Index+v.ID/8, v.ID%4*64), fmt.Sprintf("10.%d.%d.254", 4*s.Index+v.ID/8, v.ID%4*64+63)
	}
	return fmt.Sprintf("10.%d.192.0/18", 3+4*s.Index), fmt.Sprintf("10.%d.255.254", 3+4*s.Index)
}

func title(name string) string { return string(name[0]-'a'+'A') + name[1:] }

// Queues are those that the cluster serves.
func (c Cluster) Queues() []string { return []string{"admin", c.Queue} }

// Describe tells the cluster as the reference API does.
func (c Cluster) Describe() Object {
	created, _ := time.Parse(time.DateOnly, c.Created) // a constant of ours
	return Object{
		"boot_type": "bios", "created_at": created.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"), "exotic": c.Exotic, "kavlan": true,
		"manufactured_at": c.Created, "metrics": []any{}, "model": c.Model, "nodes_count": c.Nodes,
		"nodes_description": c.description(), "priority": created.Format("200601"), "queues": c.Queues(), "redfish": true,
		"type": "cluster", "uid": c.Name,
	}
}

func (c Cluster) description() string {
	cpus := "1 CPU"
	if c.CPUs > 1 {
		cpus = fmt.Sprintf("%d CPUs", c.CPUs)
	}
	text := fmt.Sprintf("%s Intel Xeon %s, %d cores/CPU, %dGB RAM", cpus, c.CPUVersion, c.Cores, c.MemoryGiB)
	for _, d := range c.Disks {
		text += fmt.Sprintf(", %dGB %s", d.GB, d.Kind)
	}
	return text + fmt.Sprintf(", 1 x %dGb Ethernet", c.RateGbps)
}

// DescribeNode tells a node as the reference API does.
func (c Cluster) DescribeNode(s Site, i int) Object {
	disks := []any{}
	for n, d := range c.Disks {
		disk := Object{
			"by_path": fmt.Sprintf("/dev/disk/by-path/pci-0000:00:11.5-ata-%d", n+1), "id": fmt.Sprintf("disk%d", n),
			"interface": "SATA", "size": d.GB * 1_000_000_000, "storage": d.Kind,
		}
		if d.Reservable {
			disk["reservation"] = true
		}
		disks = append(disks, disk)
	}
	return Object{
		"architecture": Object{
			"cpu_core_numbering": "round-robin", "nb_cores": c.CPUs * c.Cores, "nb_procs": c.CPUs, "nb_threads": 2 * c.CPUs * c.Cores,
			"platform_type": "x86_64",
		},
		"chassis": Object{"manufactured_at": c.Created, "manufacturer": "Dell Inc.", "name": c.Model[len("Dell "):]},
		"exotic":  c.Exotic, "kavlan": Object{"eth0": c.kavlanAddresses(s, i)},
		"main_memory": Object{"ram_size": c.MemoryGiB << 30}, "management_tools": Object{"ipmitool": Object{"retries": 5}},
		"network_adapters": c.adapters(i), "nodeset": c.Name,
		"operating_system": Object{"ht_enabled": true, "turboboost_enabled": true},
		"performance": Object{
			"core_flops": int(c.ClockGHz * 32e9), "node_flops": int(c.ClockGHz * 32e9 * float64(c.CPUs*c.Cores)),
		},
		"processor": Object{
			"clock_speed": int(c.ClockGHz * 1e9), "ht_capable": true, "instruction_set": "x86-64", "microarchitecture": c.CPUFamily,
			"model": "Intel Xeon", "other_description": c.CPU, "vendor": "Intel", "version": c.CPUVersion,
		},
		"redfish": true, "software": Object{"standard-environment": Standard}, "storage_devices": disks,
		"supported_job_types": Object{
			"besteffort": true, "deploy": true, "max_walltime": 0, "queues": c.Queues(), "virtual": "ivt",
		},
		"type": "node", "uid": fmt.Sprintf("%s-%d", c.Name, i),
	}
}

func (c Cluster) kavlanAddresses(s Site, i int) Object {
	all := Object{}
	for _, v := range s.Vlans() {
		var a, b int
		network, _ := s.vlanNetwork(v)
		_, _ = fmt.Sscanf(network, "10.%d.%d.0", &a, &b)
		address := fmt.Sprintf("10.%d.%d.%d", a, b+(c.network+i/250)%64, 1+(i-1)%250)
		if v.Kind == "kavlan-local" {
			_, _ = fmt.Sscanf(network, "192.168.%d.0", &b)
			address = fmt.Sprintf("192.168.%d.%d", b+c.network%16, 1+(i-1)%250)
		}
		all[fmt.Sprintf("kavlan-%d", v.ID)] = address
	}
	return all
}

func (c Cluster) adapters(i int) []any {
	name := fmt.Sprintf("%s-%d", c.Name, i)
	rate := c.RateGbps * 1_000_000_000
	return []any{
		Object{
			"device": "eth0", "driver": "i40e", "enabled": true, "interface": "Ethernet", "ip": c.Address(i), "kavlan": true,
			"mac": c.MAC(i), "management": false, "mountable": true, "mounted": true, "name": "enp24s0f0",
			"network_address": c.Node(i), "rate": rate, "sriov": false, "switch": "gw", "vendor": "Intel",
		},
		Object{
			"device": "eth1", "driver": "i40e", "enabled": false, "interface": "Ethernet", "kavlan": false, "management": false,
			"mountable": false, "mounted": false, "name": "enp24s0f1", "vendor": "Intel",
		},
		Object{
			"device": "bmc", "enabled": true, "interface": "Ethernet", "ip": c.address(17, i), "kavlan": false, "management": true,
			"mountable": false, "mounted": false, "network_address": fmt.Sprintf("%s-bmc.%s.%s", name, c.Site, Domain),
		},
	}
}

// MAC is the hardware address of a node's first interface.
func (c Cluster) MAC(i int) string {
	return fmt.Sprintf("3c:fd:fe:%02x:%02x:%02x", c.network, i/250, i%250)
}
