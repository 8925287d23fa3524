package nixostest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/sdk"
)

var virtualisation = regexp.MustCompile(`(?m)^(flags|Features)\s*:.*\b(vmx|svm)\b`)

// featuresOf reads what the machine that builds a derivation must have. Not
// every nixpkgs tells it in the evaluation.
func (h *host) featuresOf(ctx context.Context, derivation string) ([]string, error) {
	cmd, err := h.nixStore(ctx, "--query", "--binding", "requiredSystemFeatures", derivation)
	if err != nil {
		return nil, err
	}
	said, err := cmd.Output()
	if err != nil {
		return nil, nil //nolint:nilerr // it names none, or is gone: then its build says what is missing
	}
	return strings.Fields(string(said)), nil
}

// checkFeatures says, before anything is started, what a test needs that this
// machine does not have. NixOS's own tests are not emulated.
func checkFeatures(features []string) error {
	if !slices.Contains(features, "kvm") {
		return nil
	}
	remedy := "Machines of a NixOS test need hardware virtualisation. Use a host that has it (in a virtual machine: enable nested virtualisation), or another flavour: vm-ramdisk emulates, docker needs none."
	kvm, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return sdk.Error("NixOS tests cannot run here: no KVM", fmt.Sprintf("%v. %s", err, remedy))
	}
	kvm.Close()
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil && !virtualisation.Match(text) {
		return sdk.Error("NixOS tests cannot run here: no hardware virtualisation",
			"/dev/kvm is there, but the processor has neither vmx nor svm. "+remedy)
	}
	return nil
}

// warnFeatures says the same in a plan, of which everything but the run itself
// is possible here: to look at it, and to build.
func warnFeatures(features []string) error {
	err := checkFeatures(features)
	var found plugins.Diagnostics
	if !errors.As(err, &found) {
		return err
	}
	var warnings plugins.Diagnostics
	for _, d := range found {
		d.Severity = plugins.Warning
		warnings = append(warnings, d)
	}
	return warnings
}
