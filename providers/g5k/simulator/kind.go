package simulator

import "context"

// Kinds are the kinds of nodes that there are.
func Kinds() []Kind { return []Kind{Process, Namespace} }

// prepareKind makes what nodes of a kind share.
func (s *Simulator) prepareKind() (err error) {
	if err := Available(s.options.Nodes); err != nil {
		return err
	}
	if s.options.Nodes == Namespace {
		s.wires, err = s.lay()
	}
	return err
}

func (s *Simulator) closeKind() error {
	if s.wires != nil {
		return s.wires.close()
	}
	return nil
}

// newMachine makes a node of the kind, with the standard environment.
func (s *Simulator) newMachine(ctx context.Context, h *hostOf) (machine, error) {
	if s.options.Nodes == Namespace {
		return newNamespaceNode(ctx, h)
	}
	return newProcessNode(h)
}
