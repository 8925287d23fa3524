package simulator

import (
	"context"
	"fmt"
)

// Kinds are the kinds of nodes that there are.
func Kinds() []Kind { return []Kind{Process} }

// prepareKind makes what nodes of a kind share.
func (s *Simulator) prepareKind() error {
	switch s.options.Nodes {
	case Process:
		return nil
	}
	return fmt.Errorf("there is no kind of node %q; there is %s", s.options.Nodes, Process)
}

func (s *Simulator) closeKind() error { return nil }

// newMachine makes a node of the kind, with the standard environment.
func (s *Simulator) newMachine(_ context.Context, h *hostOf) (machine, error) {
	return newProcessNode(h)
}
