package deploy

import (
	"slices"
	"strings"
	"testing"
)

func TestMatching(t *testing.T) {
	names := []string{"server", "client1", "client2", "client10"}
	for pattern, want := range map[string]string{
		"server":              "server",
		"client*":             "client1 client2 client10",
		"client?":             "client1 client2",
		"client[1-2]":         "client1 client2",
		"client[1,10]":        "client1 client10",
		"client[2-3,1]":       "client2 client3 client1",
		"n[08-10]":            "n08 n09 n10",
		"r[1-2]n[1-2]":        "r1n1 r1n2 r2n1 r2n2",
		"[1-2]*":              "",
		"*er":                 "server",
		"nobody*":             "",
		"client[1]*":          "client1 client10",
		"client[1,1-1]*":      "client1 client10",
		"client[1-3":          "error",
		"client[]":            "error",
		"client[a-c]":         "error",
		"client[3-1]":         "error",
		"c[1-2000000]":        "error",
		"c[1-999][1-999]":     "error",
		"c[1-99999][1-99999]": "error",
	} {
		got, err := matching(pattern, names)
		text := strings.Join(got, " ")
		if err != nil {
			text = "error"
		}
		if text != want {
			t.Errorf("%s: got %q (%v), want %q", pattern, text, err, want)
		}
	}
	if got, _ := matching("client1", nil); !slices.Equal(got, []string{"client1"}) {
		t.Errorf("a name that nobody has became %q: who asks for it is to be told", got)
	}
}
