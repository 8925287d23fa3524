package simulator

import "context"

// Kinds are the kinds of nodes that there are.
func Kinds() []Kind { return []Kind{Process, Namespace, Machines} }

// prepareKind makes what nodes of a kind share.
func (s *Simulator) prepareKind() (err error) {
	if s.options.Nodes == Machines {
		if err := machinesAvailable(s.options.Machine); err != nil {
			return err
		}
		return s.startLAN()
	}
	if err := Available(s.options.Nodes); err != nil {
		return err
	}
	if s.options.Nodes == Namespace {
		s.wires, err = s.lay()
	}
	return err
}

func (s *Simulator) closeKind() error {
	switch {
	case s.wires != nil:
		return s.wires.close()
	case s.lanPublic != nil:
		return s.closeLAN()
	}
	return nil
}

// newMachine makes a node of the kind, with the standard environment.
func (s *Simulator) newMachine(ctx context.Context, h *hostOf) (machine, error) {
	switch s.options.Nodes {
	case Namespace:
		return newNamespaceNode(ctx, h)
	case Machines:
		return newMachineNode(ctx, h)
	}
	return newProcessNode(h)
}
