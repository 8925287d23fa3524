package driver

import (
	"context"
	"fmt"
	"strings"

	"github.com/nixos-compose/nxc/plugins"
)

// node is a node of a session: what it is, what its console says, its log.
type node struct {
	Node
	console *console
	log     *nodeLog
	stop    context.CancelFunc
}

// openNodes begins to follow the nodes' consoles.
func (s *session) openNodes(ctx context.Context) {
	s.nodes = make(map[string]*node, len(s.o.Nodes))
	for _, n := range s.o.Nodes {
		following, stop := context.WithCancel(ctx)
		made := &node{Node: n, log: newLog(s.o.Results, n.Name(), s.began), stop: stop}
		if n.Offers(plugins.HandConsole) {
			made.console = follow(following, n, s.o.Results, func(line string) { s.said(n.Name(), line) })
		}
		s.nodes[n.Name()] = made
	}
}

// said tells a line of a console, when the script wants to see them.
func (s *session) said(name, line string) {
	s.mu.Lock()
	on := s.serial
	s.mu.Unlock()
	if on {
		s.tell(Event{Kind: "console", Node: name, Text: line})
	}
}

func (s *session) closeNodes() {
	for _, done := range s.forwards {
		done()
	}
	for _, n := range s.nodes {
		n.stop()
	}
	for _, n := range s.nodes {
		if n.console != nil {
			n.console.close()
		}
		n.log.close()
	}
}

// named says of whom an error is.
func (n *node) named(err error) error {
	if err == nil || strings.Contains(err.Error(), n.Name()) {
		return err
	}
	return fmt.Errorf("%s: %w", n.Name(), err)
}
