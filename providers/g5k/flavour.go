package g5k

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

//go:embed nix/*.nix
var nixFiles embed.FS

// sources are the Nix files of a flavour, with an entry of its own.
func sources(entry string) map[string]string {
	s := sdk.Sources(nixFiles, "nix")
	s["default.nix"] = s[entry]
	return s
}

func (t *testbed) flavours() []sdk.Flavour {
	return []sdk.Flavour{
		sdk.NewFlavour("g5k-ramdisk", sources("default.nix"), t.expandRamdisk),
		sdk.NewFlavour("g5k-nfs-store", sources("nfs.nix"), t.expandNFSStore),
		sdk.NewFlavour("g5k-image", sources("image.nix"), t.expandImage),
	}
}

// Where is what all flavours say of the nodes that are reserved.
type Where struct {
	Site        string           `nxc:"site,optional" doc:"Site, such as grenoble. Either this, or sites."`
	Sites       map[string]int64 `nxc:"sites,optional" doc:"Several sites, each with how many nodes it gives: { lyon = 2, nancy = 1 }. Nodes take them in the order of the sites' names."`
	Cluster     string           `nxc:"cluster,optional" doc:"Cluster that all nodes are of."`
	Nodes       int64            `nxc:"nodes,optional" doc:"How many nodes to reserve, where that is not the number of the composition's: for a role that takes the rest."`
	Spares      int64            `nxc:"spares,optional" doc:"How many nodes to reserve beyond those that are used, to take the place of dead ones; at each site."`
	Walltime    string           `nxc:"walltime,optional,default=1h" doc:"For how long, as 1h30m or 1:30:00."`
	Queue       string           `nxc:"queue,optional" doc:"Queue of OAR's: default, production, besteffort."`
	Types       []string         `nxc:"types,optional" doc:"Further types of the job, such as exotic or night."`
	Properties  string           `nxc:"properties,optional" doc:"What the nodes must be like, in OAR's SQL."`
	Reservation string           `nxc:"reservation,optional" doc:"Start at this date, in the time of Paris: 2026-12-01 08:00."`
	StartAfter  string           `nxc:"start_after,optional" doc:"Do not start before this date."`
	Project     string           `nxc:"project,optional" doc:"Project on whose account it is."`
	JobID       int64            `nxc:"job_id,optional" doc:"Number of a job that is there already; OAR_JOB_ID takes its place where nothing is said. It is left alone in the end."`
	DeleteJob   bool             `nxc:"delete_job,optional" doc:"Delete that job in the end."`
	Machines    string           `nxc:"machines,optional" doc:"File that lists the nodes to take, one a line, of a job that runs, such as OAR's own ($OAR_NODEFILE)."`
}

// RamdiskConfig is the body of a flavour block of g5k-ramdisk.
type RamdiskConfig struct{ Where }

// ImageConfig is the body of a flavour block of g5k-image.
type ImageConfig struct {
	Where
	Vlan       int64  `nxc:"vlan,optional" doc:"KaVLAN network that the nodes boot into."`
	Partition  string `nxc:"partition,optional" doc:"Label of the partition to deploy on."`
	Retries    int64  `nxc:"retries,optional,default=1" doc:"How often nodes that Kadeploy failed on are tried again."`
	Filesystem string `nxc:"filesystem,optional,default=ext4" doc:"File system of the nodes' root: ext4 or xfs."`
}

// extra is what the flavours' Nix half tells of the composition.
type extra struct {
	Roles map[string]struct {
		KernelParams []string `json:"kernelParams"`
	} `json:"roles"`
}

func readExtra(text json.RawMessage) (extra, error) {
	var x extra
	if len(text) == 0 {
		return x, nil
	}
	if err := json.Unmarshal(text, &x); err != nil {
		return x, fmt.Errorf("read what the flavour's Nix half returned: %w", err)
	}
	return x, nil
}

// expandRamdisk lays a composition out: at each site a job, what its nodes are
// to boot, and the nodes.
func (t *testbed) expandRamdisk(ctx context.Context, r sdk.ExpandRequest[RamdiskConfig], out *sdk.Expansion) error {
	return t.expandJumping(ctx, r.ExpandRequest, r.Flavour.Where, out, func(part) jump { return jump{} })
}

// jump is what nodes need that are started by kexec, beside kernel and initrd.
type jump struct {
	params []string // further parameters of their kernels
	store  string   // key of the g5k_store that they mount; "" for none
}

// expandJumping lays out nodes that are started by kexec. What those of a site
// need besides, beside adds.
func (t *testbed) expandJumping(ctx context.Context, r plugins.ExpandRequest, w Where, out *sdk.Expansion, beside func(part) jump) error {
	x, err := readExtra(r.Extra)
	if err != nil {
		return err
	}
	parts, err := t.layOut(ctx, r, w)
	if err != nil {
		return err
	}
	for _, part := range parts {
		part.addJob(w, out)
		j := beside(part)
		disk := Ramdisk{Site: part.site, Of: int64(len(part.nodes)), Initrd: r.Artifacts["initrd"], Hosts: part.listed}
		for _, n := range part.nodes {
			disk.Kernels = append(disk.Kernels, r.Artifacts["kernel-"+n.Role.Name])
			disk.Systems = append(disk.Systems, n.Role.System)
		}
		disk.Kernels, disk.Systems = unique(disk.Kernels), unique(disk.Systems)
		added := sdk.Add(out, "g5k_ramdisk", part.site, disk).Ref("job", "g5k_job", part.site, "uid")
		if j.store != "" {
			added.DependsOn("g5k_store", j.store)
		}
		if part.listed == nil {
			added.Ref("hosts", "g5k_job", part.site, "assigned_nodes")
		}
		for i, n := range part.nodes {
			want := part.node(i, n)
			want.Kernel, want.Initrd = r.Artifacts["kernel-"+n.Role.Name], r.Artifacts["initrd"]
			want.KernelParams = append(slices.Clone(x.Roles[n.Role.Name].KernelParams), j.params...)
			added := sdk.Add(out, "g5k_node", n.Name, want).Ref("job", "g5k_job", part.site, "uid").DependsOn("g5k_ramdisk", part.site)
			if part.listed == nil {
				added.Ref("hosts", "g5k_job", part.site, "assigned_nodes")
			}
			part.isNode(n, out)
		}
	}
	return nil
}

// expandImage lays a composition out: at each site a job, the image, its
// deployment, and the nodes.
func (t *testbed) expandImage(ctx context.Context, r sdk.ExpandRequest[ImageConfig], out *sdk.Expansion) error {
	c := r.Flavour
	x, err := readExtra(r.Extra)
	if err != nil {
		return err
	}
	params, err := oneCommandLine(x)
	if err != nil {
		return err
	}
	w := c.Where
	w.Types = append([]string{"deploy"}, c.Types...)
	parts, err := t.layOut(ctx, r.ExpandRequest, w)
	if err != nil {
		return err
	}
	for _, part := range parts {
		if err := t.mayDeploy(ctx, part, w); err != nil {
			return err
		}
		part.addJob(w, out)
		sdk.Add(out, "g5k_image", part.site, Image{
			Site: part.site, File: r.Artifacts["tarball"],
			Environment: Environment{Name: "nxc-" + r.Composition, KernelParams: strings.Join(params, " "), Filesystem: c.Filesystem},
		})
		rollout := Deployment{
			Site: part.site, Nodes: part.listed, Vlan: c.Vlan, Partition: c.Partition, Retries: &c.Retries,
			Triggers: append(slices.Clone(params), c.Filesystem),
		}
		for _, n := range part.nodes {
			rollout.Carriers = append(rollout.Carriers, Carrier{Name: n.Name, System: n.Role.System})
		}
		rollout.Again, rollout.Avoid = onceMore(part.prior)
		sdk.Add(out, "g5k_deployment", part.site, rollout).
			Ref("job", "g5k_job", part.site, "uid").Ref("environment", "g5k_image", part.site, "environment_url")

		for i, n := range part.nodes {
			want := part.node(i, n)
			want.Method, want.Vlan, want.Host, want.Of = deployed, c.Vlan, "", 0 // the deployment chooses, and has the spares
			sdk.Add(out, "g5k_node", n.Name, want).Ref("job", "g5k_job", part.site, "uid").
				Ref("hosts", "g5k_deployment", part.site, "hosts").Ref("deployment", "g5k_deployment", part.site, "uid")
			part.isNode(n, out)
		}
	}
	return nil
}

// mayDeploy refuses a job of somebody's own that was made for something else,
// before anything is uploaded.
func (t *testbed) mayDeploy(ctx context.Context, p part, w Where) error {
	if p.existing == 0 || len(p.prior) > 0 {
		return nil
	}
	job, err := t.client.Job(ctx, p.site, p.existing)
	if err != nil {
		return noSuchJob(err, &Job{Site: p.site, Existing: p.existing})
	}
	attribute := "job_id"
	if w.Machines != "" {
		attribute = "machines"
	}
	if !slices.Contains(job.Types, "deploy") {
		return sdk.AttributeError(attribute, fmt.Sprintf("Job %d may not deploy", p.existing), "Submit one with the type deploy (oarsub -t deploy), or take g5k-ramdisk, which needs none.")
	}
	return nil
}

// oneCommandLine are the parameters of the kernel, which all nodes of a
// deployment share.
func oneCommandLine(x extra) ([]string, error) {
	var names []string
	for name := range x.Roles {
		names = append(names, name)
	}
	slices.Sort(names)
	params := []string{"net.ifnames=0", "console=tty0", "console=ttyS0,115200"}
	for _, name := range names {
		if !slices.Equal(x.Roles[name].KernelParams, x.Roles[names[0]].KernelParams) {
			return nil, sdk.Error(fmt.Sprintf("Roles %s and %s boot with other parameters of the kernel", names[0], name),
				"One image, with one command line, is deployed on all nodes. Give all roles the same boot.kernelParams, or use g5k-ramdisk.")
		}
	}
	if len(names) > 0 {
		params = append(params, x.Roles[names[0]].KernelParams...)
	}
	return params, nil
}

func unique(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}
