package deploy

import (
	"errors"
	"testing"
)

func TestSentence(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "",
		"the disk is full":               "The disk is full.",
		"already one.":                   "Already one.",
		"webserver::docker is locked":    "webserver::docker is locked.",
		"fake_thing.a: it depends on it": "fake_thing.a: it depends on it.",
		"nxc.state.json is newer":        "nxc.state.json is newer.",
		"network: the address is taken":  "Network: the address is taken.",
		"open /tmp/x: permission denied": "Open /tmp/x: permission denied.",
		"\"docker\" is in use":           "\"docker\" is in use.",
	} {
		if got := sentence(errors.New(text)); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}
