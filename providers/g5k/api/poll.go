package api

import (
	"context"
	"time"
)

// Poll looks at something until look says that it is done, politely: at first
// often, then less and less. look's wish for another time (0: none) is kept
// within the client's pace.
func (c *Client) Poll(ctx context.Context, look func() (done bool, err error)) error {
	pause := c.pace.First
	for n := 0; ; n++ {
		done, err := look()
		if done || err != nil {
			return err
		}
		if n >= 6 { // what was not there within half a minute takes longer
			pause = min(pause*3/2, c.pace.Most)
		}
		if err := sleep(ctx, jitter(pause)); err != nil {
			return err
		}
	}
}

// Settle looks for something that may have come to be, for as long as answers
// may be older than it.
func (c *Client) Settle(ctx context.Context, look func() (found bool, err error)) (bool, error) {
	for began := time.Now(); ; {
		found, err := look()
		if found || err != nil {
			return found, err
		}
		left := c.pace.Stale - time.Since(began)
		if left <= 0 {
			return false, nil
		}
		if err := sleep(ctx, min(left, jitter(c.pace.First))); err != nil {
			return false, err
		}
	}
}
