// Package api speaks the REST interface of Grid'5000: jobs, deployments,
// networks, the reference and the status of sites.
//
// It knows what a refusal is and what passes: what passes is asked again,
// politely, and what may have changed something is never sent twice by itself.
// It also finds a person's credentials. What its answers mean for a deployment
// is its caller's matter.
package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// Client asks one interface on behalf of one person. It may be shared.
type Client struct {
	base     *url.URL
	user     string
	password string
	http     *http.Client
	pace     Pace
	say      func(string) // what it waits for; nil: tell is told
	told     func(context.Context, string)
	patience time.Duration // how long what passes is waited for
	ahead    *atomic.Int64 // of our clock, the interface's, in nanoseconds
}

// Options of a Client.
type Options struct {
	Base     string // with the version, such as https://api.grid5000.fr/stable
	User     string
	Password string // "": none is sent, as within Grid'5000
	Pace     Pace
	// Tell is told what is waited for where Waiting says nothing else; nil:
	// nobody listens.
	Tell func(ctx context.Context, text string)
}

// Pace is how often the interface is asked. What is zero has its default.
type Pace struct {
	First time.Duration // between the first looks at what takes long; 5 s
	Most  time.Duration // that time grows to this; a minute
	Again time.Duration // before a request that failed is sent again; a second, and growing
	Stale time.Duration // how old an answer may be; a minute
}

func (p Pace) withDefaults() Pace {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&p.First, 5 * time.Second}, {&p.Most, time.Minute}, {&p.Again, time.Second}, {&p.Stale, time.Minute}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	p.Most = max(p.Most, p.First)
	return p
}

// New returns a client.
func New(o Options) (*Client, error) {
	base, err := url.Parse(strings.TrimSuffix(o.Base, "/"))
	if err != nil {
		return nil, err
	}
	if base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("%q is not the address of an interface: it begins with https://", o.Base)
	}
	return &Client{
		base: base, user: o.User, password: o.Password, pace: o.Pace.withDefaults(), told: o.Tell,
		http:     &http.Client{Timeout: time.Minute, CheckRedirect: sameHost},
		patience: 30 * time.Second, ahead: new(atomic.Int64),
	}, nil
}

// sameHost keeps credentials from following a redirection elsewhere.
func sameHost(r *http.Request, via []*http.Request) error {
	if r.URL.Host != via[0].URL.Host || len(via) > 5 {
		return http.ErrUseLastResponse
	}
	return nil
}

// Waiting returns the client for an operation that may take long: it says what
// it waits for, and waits long enough for a network that is gone for a minute.
func (c *Client) Waiting(say func(string)) *Client {
	w := *c
	w.say, w.patience = say, max(3*time.Minute, c.patience)
	return &w
}

// Impatient returns the client for a first look: what does not answer soon is
// an error.
func (c *Client) Impatient() *Client {
	w := *c
	w.patience = 4 * c.pace.Again
	return &w
}

// User is the person on whose behalf it asks.
func (c *Client) User() string { return c.user }

// Host is where the interface is.
func (c *Client) Host() string { return c.base.Host }

// Now is what the interface's clock shows: dates are those of its machines.
func (c *Client) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// setClock takes the time from an answer. What is within a few seconds is the
// way that the answer took.
func (c *Client) setClock(date string) {
	at, err := http.ParseTime(date)
	if err != nil {
		return
	}
	ahead := time.Until(at)
	if ahead.Abs() < 10*time.Second {
		ahead = 0
	}
	c.ahead.Store(int64(ahead))
}

// Stale is how old an answer may be.
func (c *Client) Stale() time.Duration { return c.pace.Stale }

func (c *Client) tell(ctx context.Context, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	switch {
	case c.say != nil:
		c.say(text)
	case c.told != nil:
		c.told(ctx, text)
	}
}

// sleep waits, or returns why not.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
