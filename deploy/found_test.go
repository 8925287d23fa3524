package deploy_test

import (
	"os/exec"
	"testing"

	"github.com/nixos-compose/nxc/plugins/sdk/sdktest/fake"
	"github.com/nixos-compose/nxc/state/statetest"
)

// found are trials that TestRandomFaults once failed, in their smallest form.
var found = map[string]trial{
	"killed in the middle of a move": {steps: []step{
		{command: "apply", things: []thing{{label: "u0", name: "n0x"}}, heal: true},
		{command: "apply", things: []thing{{label: "t0", was: "u0", name: "n0x"}}, disk: statetest.Fault{Step: statetest.Append, N: 2, How: statetest.Killed}, heal: true},
	}},
	"marked as open, and told that it is not": {steps: []step{
		{command: "apply", things: []thing{{label: "t0", name: "n0x"}}, disk: statetest.Fault{Step: statetest.Replace, N: 2, How: statetest.Flush}},
		{command: "apply", things: []thing{{label: "t0", name: "n0x"}}, heal: true},
	}},
	"taken over, destroyed, and killed before the journals went": {steps: []step{
		{command: "apply", nodes: 1, nodesOn: []string{"a"}, only: "a", disk: statetest.Fault{Step: statetest.Append, N: 4, How: statetest.Killed}},
		{command: "apply", things: []thing{{label: "t0", name: "n0x"}}, heal: true},
	}},
	"nothing is left of a deployment but an open operation": {steps: []step{
		{
			command: "apply", nodes: 1, nodesOn: []string{"b"}, only: "b", serial: true,
			faults: []fake.Fault{{Verb: "create", Name: "*", When: fake.Before, How: fake.Crash}},
		},
		{command: "apply", heal: true},
	}},
	"half deleted, then planned again": {steps: []step{
		{command: "apply", things: []thing{{label: "t0", name: "n0x"}}, heal: true},
		{command: "destroy", faults: []fake.Fault{{Verb: "delete", Name: "*", When: fake.Half, How: fake.Crash}}},
		{command: "plan", things: []thing{{label: "t0", name: "n0x"}}, heal: true},
	}},
}

func TestFound(t *testing.T) {
	for name, tr := range found {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath("nix-instantiate"); err != nil && tr.composed() {
				t.Skip("Nix is not installed")
			}
			if err := tr.play(); err != nil {
				t.Errorf("%v\n%s", err, tr.script(name))
			}
		})
	}
}
