package agent

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
)

// listen reads what a relay reports until all nodes are done.
func (s *spread) listen(ctx context.Context, i int, session Session, out *lines, feeders *sync.WaitGroup, cancel context.CancelCauseFunc) error {
	p := s.peers[i]
	scanner := bufio.NewScanner(session)
	scanner.Buffer(nil, 1<<20)
	var noise []string // what is no report: a login message, a shell's complaint
	for scanner.Scan() {
		var r report
		if json.Unmarshal(scanner.Bytes(), &r) != nil {
			noise = append(noise, scanner.Text())
			continue
		}
		if r.Failed != "" {
			return errors.New(r.Failed)
		}
		if r.Log != "" {
			s.log(s.Nodes[i].Name + ": " + r.Log)
		}
		if r.Wrong != "" {
			s.log(fmt.Sprintf("%s: %s came out wrong, and is taken again", s.Nodes[i].Name, r.Wrong))
			select {
			case p.refeed <- r.Wrong:
			default:
			}
		}
		if r.Have == nil {
			continue
		}
		s.mu.Lock()
		p.have, p.sum = r.Have, 0
		for _, n := range r.Have {
			p.sum += n
		}
		p.taken = p.before + r.Taken
		p.done = p.done || r.Done
		opened := r.Port != 0
		if opened {
			p.url, p.out, p.session = s.URL(s.Nodes[i].Name, r.Port), out, session
			select {
			case <-p.opened:
			default:
				close(p.opened)
			}
		}
		done := s.allDone()
		s.mu.Unlock()
		s.tell()
		if opened {
			s.direct(ctx, feeders, cancel)
		}
		if done {
			s.finish()
			return nil
		}
	}
	if len(noise) > 0 {
		return fmt.Errorf("its relay ended: %s", bytes.TrimSpace([]byte(noise[len(noise)-1])))
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("its relay was lost: %w", err)
	}
	return errors.New("its relay was lost")
}

// finish ends every relay.
func (s *spread) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.peers {
		if p.session != nil {
			p.session.Close()
		}
	}
}

// direct tells every node where to take from, and feeds the first.
func (s *spread) direct(ctx context.Context, feeders *sync.WaitGroup, cancel context.CancelCauseFunc) {
	type told struct {
		out     *lines
		sources []string
	}
	var orders []told
	s.mu.Lock()
	root := s.tree().root()
	for i, p := range s.peers {
		if p.out == nil {
			continue
		}
		if sources := s.urls(i); p.told == nil || !slices.Equal(p.told, sources) {
			p.told = sources
			orders = append(orders, told{p.out, sources})
		}
	}
	begin := root >= 0 && s.feeding != root && s.peers[root].out != nil
	if begin {
		s.feeding = root
		p := s.peers[root]
		relay, refeed, out, have := p.ctx, p.refeed, p.out, maps.Clone(p.have)
		feeders.Go(func() {
			if err := s.feed(relay, refeed, out, have); err != nil && ctx.Err() == nil {
				cancel(err)
			}
		})
	}
	done := s.allDone()
	s.mu.Unlock()
	for _, o := range orders {
		_ = o.out.write(order{Sources: o.sources}) // one that is lost is noticed elsewhere
	}
	if done {
		s.finish()
	}
}

// feed sends the items to the first node, from where it stands. Its error is
// about what is to be sent; that the node was lost is noticed elsewhere.
func (s *spread) feed(ctx context.Context, refeed <-chan string, out *lines, have map[string]int64) error {
	for _, item := range s.Items {
		if gone, err := s.feedItem(ctx, out, item, have[item.Name]); gone || err != nil {
			return err
		}
	}
	for { // one may come out wrong
		select {
		case <-ctx.Done():
			return nil
		case name := <-refeed:
			for _, item := range s.Items {
				if item.Name != name {
					continue
				}
				if gone, err := s.feedItem(ctx, out, item, 0); gone || err != nil {
					return err
				}
			}
		}
	}
}

func (s *spread) feedItem(ctx context.Context, out *lines, item Source, at int64) (gone bool, err error) {
	f, err := os.Open(item.Path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	for ; at < item.Size && ctx.Err() == nil; at += maxPiece {
		length := min(maxPiece, item.Size-at)
		piece := make([]byte, length)
		if _, err := f.ReadAt(piece, at); err != nil {
			return false, fmt.Errorf("read %s: %w", item.Path, err)
		}
		if err := out.writeWith(order{Feed: &feed{item.Name, at, length}}, bytes.NewReader(piece)); err != nil {
			return true, nil
		}
		s.mu.Lock()
		s.fed += length
		s.mu.Unlock()
	}
	return ctx.Err() != nil, nil
}
