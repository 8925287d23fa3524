package agent

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// Relay is the half that runs on a node.
type Relay struct {
	Dir    string        // holds the items, also after the relay has ended
	Listen string        // ":0" by default
	Stall  time.Duration // so long a source may say nothing; 10 seconds by default
	Pace   time.Duration // between reports; half a second by default

	// Limit, of tests, wraps the connections of those who take from it.
	Limit func(net.Listener) net.Listener
}

// Run takes orders from in, and reports to out, until in ends.
func (r Relay) Run(ctx context.Context, in io.Reader, out io.Writer) error {
	if r.Stall == 0 {
		r.Stall = 10 * time.Second
	}
	if r.Pace == 0 {
		r.Pace = 500 * time.Millisecond
	}
	if r.Listen == "" {
		r.Listen = ":0"
	}
	orders := bufio.NewReaderSize(in, 256<<10)
	reports := &lines{w: out}
	err := r.run(ctx, orders, reports)
	if err != nil {
		_ = reports.write(report{Failed: err.Error()})
	}
	return err
}

func (r Relay) run(ctx context.Context, orders *bufio.Reader, reports *lines) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var first order
	if err := readOrder(orders, &first); err != nil {
		return fmt.Errorf("read the first order: %w", err)
	}
	if err := first.check(); err != nil {
		return err
	}
	shelf, err := openShelf(r.Dir, first.Items)
	if err != nil {
		return err
	}
	defer shelf.close()
	listener, err := net.Listen("tcp", r.Listen)
	if err != nil {
		return err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if r.Limit != nil {
		listener = r.Limit(listener)
	}
	server := &http.Server{Handler: shelf.handler(first.Token), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	f := &fetcher{
		shelf: shelf, stall: r.Stall, fresh: make(chan struct{}),
		client: &http.Client{Transport: &http.Transport{DisableCompression: true, DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext}},
		log:    func(text string) { _ = reports.write(report{Log: text}) },
		wrong:  func(name string) { _ = reports.write(report{Wrong: name}) },
	}
	defer f.client.CloseIdleConnections()
	opening := shelf.report()
	opening.Port, opening.Done = port, false
	if err := reports.write(opening); err != nil {
		return err
	}
	fetched := make(chan error, 1)
	go func() { fetched <- f.run(ctx) }()
	ordered := make(chan error, 1)
	go func() { ordered <- obey(orders, shelf, f) }()
	return r.attend(reports, shelf, fetched, ordered)
}

// attend reports until the orders end.
func (r Relay) attend(reports *lines, shelf *shelf, fetched, ordered <-chan error) error {
	ticker := time.NewTicker(r.Pace)
	defer ticker.Stop()
	for {
		select {
		case err := <-ordered:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		case err := <-fetched:
			if err != nil {
				return err
			}
			fetched = nil
		case <-ticker.C:
		}
		if err := reports.write(shelf.report()); err != nil {
			return err
		}
	}
}

// obey does what it is told.
func obey(orders *bufio.Reader, shelf *shelf, f *fetcher) error {
	for {
		var o order
		if err := readOrder(orders, &o); err != nil {
			return err
		}
		if o.Feed == nil {
			f.setSources(o.Sources)
			continue
		}
		if err := eat(orders, shelf, o.Feed); err != nil {
			return err
		}
	}
}

// eat takes a piece of an item.
func eat(orders io.Reader, shelf *shelf, piece *feed) error {
	h := shelf.items[piece.Name]
	if h == nil {
		return fmt.Errorf("there is no item %q", piece.Name)
	}
	if piece.Length < 0 || piece.Length > maxPiece {
		return fmt.Errorf("a piece of %d bytes", piece.Length)
	}
	body := make([]byte, piece.Length)
	if _, err := io.ReadFull(orders, body); err != nil {
		return err
	}
	if err := shelf.add(h, piece.Offset, body); err != nil && !errors.Is(err, errGap) {
		return err
	}
	return nil // what does not fit follows on something that was wrong, and comes again
}

func readOrder(r *bufio.Reader, o *order) error {
	line, err := r.ReadBytes('\n')
	if err != nil {
		return err
	}
	return json.Unmarshal(line, o)
}
