package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/grpc"
)

// receiveAll calls f with every message until the other side closes.
func receiveAll[M any](receive func() (*M, error), f func(*M) error) error {
	for {
		m, err := receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := f(m); err != nil {
			return err
		}
	}
}

// serveMany answers each message of a stream, several at a time, in the order
// in which the answers are ready. The first error ends the call.
func serveMany[Q, A any](stream grpc.BidiStreamingServer[Q, A], answer func(context.Context, *Q) (*A, error)) error {
	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	jobs := make(chan *Q)
	var sending sync.Mutex
	var wg sync.WaitGroup
	work := func() {
		for q := range jobs {
			a, err := answer(ctx, q)
			if err == nil {
				sending.Lock()
				err = stream.Send(a)
				sending.Unlock()
			}
			if err != nil {
				cancel(err)
				return
			}
		}
	}
	workers := 0
	err := receiveAll(stream.Recv, func(q *Q) error {
		select { // a worker is started only when all are busy
		case jobs <- q:
			return nil
		default:
		}
		if workers < parallelism {
			workers++
			wg.Go(work)
		}
		select {
		case jobs <- q:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	close(jobs)
	wg.Wait()
	if err == nil {
		err = context.Cause(ctx)
	}
	return err
}

// callMany sends n requests and hands each answer on, sending and receiving at
// the same time so that neither side ever waits for the other. skipped says
// that request i could not be made and has been dealt with.
func callMany[Q, A any](stream grpc.BidiStreamingClient[Q, A], n int, request func(i int) (q *Q, skipped bool), answer func(a *A) error) error {
	type sent struct{ skipped int }
	done := make(chan sent, 1)
	go func() {
		s := sent{}
		for i := range n {
			q, skipped := request(i)
			if skipped {
				s.skipped++
				continue
			}
			if stream.Send(q) != nil {
				break // the cause is what Recv returns
			}
		}
		stream.CloseSend()
		done <- s
	}()
	answered := 0
	err := receiveAll(stream.Recv, func(a *A) error {
		answered++
		return answer(a)
	})
	if err != nil {
		return err
	}
	s := <-done
	if answered+s.skipped != n {
		return fmt.Errorf("%d answers to %d requests", answered, n-s.skipped)
	}
	return nil
}

// once hands out each of n numbers at most once.
type once []bool

func (o once) take(i int64) error {
	if i < 0 || i >= int64(len(o)) {
		return fmt.Errorf("an answer to request %d of %d", i, len(o))
	}
	if o[i] {
		return fmt.Errorf("two answers to request %d", i)
	}
	o[i] = true
	return nil
}
