package view

import (
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/internal/addr"
	"github.com/nixos-compose/nxc/nix"
	"github.com/nixos-compose/nxc/plan"
	"github.com/nixos-compose/nxc/plan/apply"
)

// Quiet hears everything and shows nothing.
type Quiet struct{}

var _ deploy.Events = Quiet{}

// Step is not shown.
func (Quiet) Step(string) {}

// Waits is not shown.
func (Quiet) Waits(string) {}

// Nix is not shown.
func (Quiet) Nix(addr.Deployment, nix.Event) {}

// Warn is not shown.
func (Quiet) Warn(hcl.Diagnostics) {}

// Started is not shown.
func (Quiet) Started(apply.Operation) {}

// Progress is not shown.
func (Quiet) Progress(apply.Operation, apply.Progress) {}

// Done is not shown.
func (Quiet) Done(apply.Operation, time.Duration, []plan.Problem) {}

// Skipped is not shown.
func (Quiet) Skipped(*plan.Change, addr.Instance) {}
