package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// answer is what came back.
type answer struct {
	body   []byte
	header http.Header
}

// largest bounds an answer: the status of a large site is a few megabytes.
const largest = 64 << 20

// get asks until there is an answer or a refusal, and decodes it.
func (c *Client) get(ctx context.Context, path string, query url.Values, into any) error {
	return c.persist(ctx, func() error {
		a, err := c.send(ctx, http.MethodGet, path, query, nil)
		if err != nil {
			return err
		}
		return decode(http.MethodGet, path, a.body, into)
	})
}

// change sends what may safely be sent again.
func (c *Client) change(ctx context.Context, method, path string, body any) error {
	return c.persist(ctx, func() error {
		_, err := c.send(ctx, method, path, nil, body)
		return err
	})
}

// post sends what must not be sent twice: only what cannot have arrived is
// sent again. See Uncertain.
func (c *Client) post(ctx context.Context, path string, body, into any) error {
	var uncertain error
	err := c.persist(ctx, func() error {
		a, err := c.send(ctx, http.MethodPost, path, nil, body)
		if err == nil && into != nil {
			err = decode(http.MethodPost, path, a.body, into)
		}
		if Uncertain(err) {
			uncertain = err
			return nil
		}
		return err
	})
	return errors.Join(err, uncertain)
}

// decode reads an answer; one that was cut short is a fault that passes.
func decode(method, path string, body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return &Failure{Method: method, Path: path, Message: "the answer is not whole: " + err.Error(), Passing: true, err: err}
	}
	return nil
}

// persist repeats what fails in passing, later each time, until patience ends.
func (c *Client) persist(ctx context.Context, try func() error) error {
	pause := c.pace.Again
	for began := time.Now(); ; pause = min(2*pause, 16*c.pace.Again) {
		err := try()
		var f *Failure
		if err == nil || !errors.As(err, &f) || !f.Passing || ctx.Err() != nil {
			return err
		}
		wait := jitter(max(pause, retryAfter(f)))
		if time.Since(began)+wait > c.patience {
			return err
		}
		answer := "does not answer"
		if f.Status != 0 {
			answer = fmt.Sprintf("answers %d", f.Status)
		}
		c.tell(ctx, "Grid'5000 %s, asking again in %s: %s", answer, wait.Round(100*time.Millisecond), firstLine(f.Message))
		if sleep(ctx, wait) != nil {
			return err
		}
	}
}

// retryAfterError carries how long the interface wants to be left alone.
type retryAfterError struct{ wait time.Duration }

func (retryAfterError) Error() string { return "asked too often" }

func retryAfter(f *Failure) time.Duration {
	var r retryAfterError
	if errors.As(f.err, &r) {
		return r.wait
	}
	return 0
}

// jitter spreads what many would do at the same moment.
func jitter(d time.Duration) time.Duration {
	return d - d/8 + rand.N(d/4+1)
}

// send sends one request and reads its whole answer.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, body any) (*answer, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	address := *c.base
	address.Path += path
	address.RawQuery = query.Encode()
	r, err := http.NewRequestWithContext(ctx, method, address.String(), content)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "*/*")
	r.Header.Set("User-Agent", "nxc")
	r.Header.Set("Cache-Control", "no-cache")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.password != "" {
		r.SetBasicAuth(c.user, c.password)
	}
	response, err := c.http.Do(r)
	if err != nil {
		if ctx.Err() != nil && method == http.MethodGet {
			return nil, ctx.Err()
		}
		return nil, notAnswered(method, path, err)
	}
	defer response.Body.Close()
	c.setClock(response.Header.Get("Date"))
	text, err := io.ReadAll(io.LimitReader(response.Body, largest))
	if err != nil && response.StatusCode < 300 {
		return nil, notAnswered(method, path, err)
	}
	if response.StatusCode >= 300 {
		f := answered(method, path, response.StatusCode, text)
		if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
			f.err = retryAfterError{time.Duration(seconds) * time.Second}
		}
		return nil, f
	}
	return &answer{body: text, header: response.Header}, nil
}

func firstLine(text string) string {
	line, _, _ := cutLine(text)
	return line
}

func cutLine(text string) (line, rest string, more bool) {
	for i := range len(text) {
		if text[i] == '\n' {
			return text[:i], text[i+1:], true
		}
	}
	return text, "", false
}
