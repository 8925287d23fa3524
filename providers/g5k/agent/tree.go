package agent

// tree is a heap laid over nodes by their number: node 0 is fed from outside,
// and node i takes from node (i-1)/arity. Where a node is lost, those below it
// take from the nearest above that lives; where none lives, from the first
// node that does, which is fed then. Numbers only decrease on the way up, so
// no two nodes wait for each other.
type tree struct {
	arity int
	lives func(i int) bool
	size  int
}

// root is the node that is fed; -1 when none lives.
func (t tree) root() int {
	for i := range t.size {
		if t.lives(i) {
			return i
		}
	}
	return -1
}

// above lists the nodes that a node may take from, the best first.
func (t tree) above(i int) []int {
	root := t.root()
	if i == root {
		return nil
	}
	var list []int
	for p := i; p > 0; {
		p = (p - 1) / t.arity
		if t.lives(p) {
			list = append(list, p)
		}
	}
	if len(list) == 0 || list[len(list)-1] != root {
		list = append(list, root)
	}
	return list
}

// depth is how many nodes are above the last one.
func (t tree) depth() int {
	n := 0
	for i := t.size - 1; i > 0; i = (i - 1) / t.arity {
		n++
	}
	return n
}
