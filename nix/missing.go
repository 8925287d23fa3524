package nix

import (
	"context"
	"strings"
)

// Missing is what realising outputs would take.
type Missing struct {
	Build []string // derivations that would be built
	Fetch []string // store paths that a binary cache has
}

// Missing asks Nix what Realise would do, and does nothing. Of a store on
// another machine it knows nothing; the answer is nil.
func (n *Nix) Missing(ctx context.Context, outputs []Output, progress func(Event)) (*Missing, error) {
	if n.where.Remote != "" {
		return nil, nil
	}
	missing := &Missing{}
	for _, local := range []bool{true, false} {
		r := realiser{Nix: n, progress: progress, outputs: distinct(outputs, local), local: local}
		if len(r.outputs) == 0 {
			continue
		}
		targets, err := r.targets()
		if err != nil {
			return nil, err
		}
		if _, err := n.output(ctx, command{
			path:     n.store,
			args:     append([]string{"--realise", "--dry-run"}, targets...),
			settings: r.settings(ctx),
			onLog:    missing.observe(),
		}); err != nil {
			return nil, err
		}
	}
	return missing, nil
}

// observe reads the lists that Nix prints, each below a line that says what it
// is.
func (m *Missing) observe() func(logEntry) {
	var list *[]string
	return func(e logEntry) {
		path, isItem := strings.CutPrefix(e.Message, "  "+storeDir+"/")
		switch {
		case e.Action != "msg":
		case strings.HasSuffix(e.Message, "will be built:"):
			list = &m.Build
		case strings.Contains(e.Message, "will be fetched"):
			list = &m.Fetch
		case isItem && list != nil:
			*list = append(*list, storeDir+"/"+path)
		default:
			list = nil
		}
	}
}
