package nixostest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

// TestConfig is the body of a flavour block of nixos-test.
type TestConfig struct {
	Timeout    string `nxc:"timeout,optional" doc:"How long the test may take, such as 10m; by default as long as it wants."`
	Containers bool   `nxc:"containers,optional" doc:"Have containers of systemd-nspawn instead of machines, where the nixpkgs offers them. They need no KVM, but Nix's feature uid-range."`
	OCR        bool   `nxc:"ocr,optional" doc:"Let the script read screens (wait_for_text), which takes a larger closure. Not with the embedded nixpkgs."`
}

// extra is what the flavours' Nix half tells of the composition.
type extra struct {
	Nodes      map[string]string `json:"nodes"` // each node's role, as Nix counted them
	HasScript  bool              `json:"hasScript"`
	Derivation string            `json:"derivation"`
	Local      bool              `json:"local"`

	features []string // that the builder of the test must have
}

// keyTest is the key of a deployment's test.
const keyTest = "test"

// laidOut reads what the Nix half says, and makes sure that it speaks of the
// nodes that nxc does.
func laidOut[C any](ctx context.Context, h *host, r sdk.ExpandRequest[C]) (extra, []sdk.LaidOut, error) {
	var x extra
	if err := json.Unmarshal(r.Extra, &x); err != nil {
		return x, nil, fmt.Errorf("read what the flavour's Nix half returned: %w", err)
	}
	nodes, err := sdk.Nodes(r.Roles, "A NixOS test")
	if err != nil {
		return x, nil, err
	}
	if len(nodes) == 0 {
		return x, nil, sdk.Error("The test has no machines", "Give a role at least one node.")
	}
	var names []string
	for _, n := range nodes {
		names = append(names, n.Name)
	}
	slices.Sort(names)
	if evaluated := slices.Sorted(maps.Keys(x.Nodes)); !slices.Equal(names, evaluated) {
		return x, nil, fmt.Errorf("the Nix half made the machines %q, and the nodes are %q; this is a bug in nxc", evaluated, names)
	}
	x.features, err = h.featuresOf(ctx, x.Derivation)
	return x, nodes, err
}

// expandTest lays a composition out as one run of its test.
func (h *host) expandTest(ctx context.Context, r sdk.ExpandRequest[TestConfig], out *sdk.Expansion) error {
	x, _, err := laidOut(ctx, h, r)
	if err != nil {
		return err
	}
	if !x.HasScript {
		return sdk.Error("The composition has no testScript", "A NixOS test is that script. Write one, or take the flavour nixos-test-driver for a session without.")
	}
	if r.Flavour.Timeout != "" {
		if d, err := time.ParseDuration(r.Flavour.Timeout); err != nil || d < time.Second {
			return sdk.AttributeError("timeout", fmt.Sprintf("%q is not a time", r.Flavour.Timeout), "Write it as 90s, 10m or 1h.")
		}
	}
	result := r.Artifacts["test"]
	sdk.Add(out, "nixos-test_run", keyTest, Run{
		Derivation: x.Derivation, Result: result, Timeout: r.Flavour.Timeout, Local: x.Local, Features: x.features,
	})
	if h.isValid(ctx, result) {
		return nil
	}
	return warnFeatures(x.features)
}

// SessionConfig is the body of a flavour block of nixos-test-driver.
type SessionConfig struct {
	OCR bool `nxc:"ocr,optional" doc:"Let the session read screens (wait_for_text), which takes a larger closure. Not with the embedded nixpkgs."`
}

// SSHConfig is the body of a flavour block of nixos-test-ssh, which has nothing
// to say.
type SSHConfig struct{}

// keyDriver is the key of a deployment's driver, and the name of the node that
// stands for its session.
const keyDriver = "driver"

// expandDriver lays a composition out as the driver of its test.
func (h *host) expandDriver(ctx context.Context, r sdk.ExpandRequest[SessionConfig], out *sdk.Expansion) error {
	x, _, err := laidOut(ctx, h, r)
	if err != nil {
		return err
	}
	sdk.Add(out, "nixos-test_driver", keyDriver, Driver{Driver: r.Artifacts["driver"], Features: x.features})
	out.Node(plugins.ExpandedNode{
		Name:     keyDriver,
		Resource: plugins.ResourceKey{Type: "nixos-test_driver", Key: keyDriver},
	})
	return warnFeatures(x.features)
}

// expandSSH lays a composition out as a driver whose machines are nodes.
func (h *host) expandSSH(ctx context.Context, r sdk.ExpandRequest[SSHConfig], out *sdk.Expansion) error {
	x, nodes, err := laidOut(ctx, h, r)
	if err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(x.Nodes))
	driver := Driver{Driver: r.Artifacts["driver"], Features: x.features}
	for _, n := range nodes {
		// As NixOS's tests number them.
		index := slices.Index(names, n.Name)
		sdk.Add(out, "nixos-test_machine", n.Name, Machine{
			Name: n.Name, IP: fmt.Sprintf("192.168.%d.%d", 1+index/250, 1+index%250),
		})
		out.Node(plugins.ExpandedNode{
			Name: n.Name, Role: n.Role.Name, Index: n.Index, System: n.Role.System,
			Resource: plugins.ResourceKey{Type: "nixos-test_machine", Key: n.Name}, Address: "address",
		})
		driver.Machines = append(driver.Machines, Member{Name: n.Name})
	}
	added := sdk.Add(out, "nixos-test_driver", keyDriver, driver)
	for i, n := range nodes {
		added.Ref(fmt.Sprintf("machine[%d].id", i), "nixos-test_machine", n.Name, "id")
	}
	return warnFeatures(x.features)
}
