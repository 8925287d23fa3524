package clock

import (
	"slices"
	"testing"
	"time"
)

func TestAdvance(t *testing.T) {
	start := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	c := New(start, 0)
	defer c.Close()
	var got []string
	note := func(name string) func() {
		return func() { got = append(got, name+" "+c.Now().Sub(start).String()) }
	}
	c.After(2*time.Second, note("second"))
	c.After(time.Second, func() {
		note("first")()
		c.After(500*time.Millisecond, note("made by first"))
	})
	c.After(2*time.Second, note("of the same time, made later"))
	cancelled := c.After(time.Second, note("cancelled"))
	c.Cancel(cancelled)
	c.Cancel(nil)
	c.After(time.Hour, note("too late"))

	c.Advance(10 * time.Second)
	c.Cancel(cancelled)
	want := []string{"first 1s", "made by first 1.5s", "second 2s", "of the same time, made later 2s"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if d := c.Now().Sub(start); d != 10*time.Second {
		t.Errorf("after 10 s the clock stands at %v", d)
	}
}

func TestRuns(t *testing.T) {
	c := New(time.Now(), 3600)
	defer c.Close()
	fired := make(chan time.Duration, 1)
	begin := c.Now()
	c.After(time.Minute, func() { fired <- c.Now().Sub(begin) })
	select {
	case d := <-fired:
		if d < time.Minute || d > 2*time.Minute {
			t.Errorf("an event of a minute fired after %v on the clock", d)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("an event of a minute has not fired on a clock that runs an hour a second")
	}
}

func TestClosedFiresNothing(t *testing.T) {
	c := New(time.Now(), 0)
	c.After(time.Second, func() { t.Error("an event fired on a clock that is closed") })
	c.Close()
	c.Close()
	c.Advance(time.Minute)
}
