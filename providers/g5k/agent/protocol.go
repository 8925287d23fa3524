// Package agent spreads images among the nodes of a site, and boots them there.
//
// Its one half runs on nodes: a relay, which takes files from another node,
// passes on what it has while it receives, goes on where it was interrupted,
// and believes a file only when its SHA-256 is right; and what loads a kernel
// and jumps into it. Its other half, Spread, sits where nxc runs, feeds the
// first node of a tree, tells each which nodes to take from, and watches them.
//
// The halves speak lines of JSON over the node's standard input and output,
// which somebody else carries there (ssh); nodes speak HTTP to each other.
// Nothing secret goes through the tree: what is a node's own is given to it
// alone, when it boots. The package knows neither ssh nor Grid'5000.
package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Item is a file that every node is to have.
type Item struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// order is what a relay is told. The first one brings Items and Token; what
// follows brings one of the others.
type order struct {
	Items   []Item   `json:"items,omitempty"`
	Token   string   `json:"token,omitempty"`   // the first part of every path, so that strangers find nothing
	Sources []string `json:"sources,omitempty"` // URLs of relays to take from, the best first
	Feed    *feed    `json:"feed,omitempty"`    // bytes of an item follow the line
}

// feed is a piece of an item.
type feed struct {
	Name   string `json:"name"`
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
}

// report is what a relay says.
type report struct {
	Port   int              `json:"port,omitempty"` // once, when it listens
	Have   map[string]int64 `json:"have,omitempty"` // bytes of each item
	Done   bool             `json:"done,omitempty"` // it has all of them, and they are right
	Sent   int64            `json:"sent,omitempty"` // bytes that it passed on
	Taken  int64            `json:"taken,omitempty"`
	Wrong  string           `json:"wrong,omitempty"` // an item that was whole, and wrong, and was thrown away
	Log    string           `json:"log,omitempty"`
	Failed string           `json:"failed,omitempty"` // it gives up
}

// maxPiece bounds a piece of an item.
const maxPiece = 1 << 20

// lines writes values as lines, one at a time.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lines) write(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err = l.w.Write(append(text, '\n'))
	return err
}

// writeWith writes a value and the bytes that follow it.
func (l *lines) writeWith(v any, body io.Reader) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.w.Write(append(text, '\n')); err != nil {
		return err
	}
	_, err = io.Copy(l.w, body)
	return err
}

// check refuses items that could leave their folder.
func (o *order) check() error {
	if o.Token == "" || len(o.Items) == 0 {
		return errors.New("the first order names no items")
	}
	seen := map[string]bool{}
	for _, i := range o.Items {
		if !plainName(i.Name) || seen[i.Name] || i.Size < 0 || len(i.SHA256) != 64 {
			return fmt.Errorf("%q is no item", i.Name)
		}
		seen[i.Name] = true
	}
	return nil
}

func plainName(name string) bool {
	for i, c := range name {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || i > 0 && (c == '-' || c == '_' || c == '.')
		if !letter {
			return false
		}
	}
	return name != "" && len(name) < 100
}
