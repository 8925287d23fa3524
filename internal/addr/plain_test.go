package addr

import (
	"testing"

	"pgregory.net/rapid"
)

// TestPlainAgrees compares both ways to read an address, on what looks like
// one and on what nearly does.
func TestPlainAgrees(t *testing.T) {
	name := rapid.OneOf(rapid.SampledFrom([]string{"composition", "data", "docker", "vm-ramdisk", "null", "true", "for", "_x", "9a", "é", ""}), rapid.StringMatching(`[a-zA-Z][a-z0-9_-]{0,4}`))
	key := rapid.OneOf(rapid.SampledFrom([]string{"", "[0]", "[12]", "[007]", "[-1]", "[]", "[1.5]", `["a"]`, `["a b"]`, `["${x}"]`, `["%%{"]`, `["a\"b"]`, `["]"]`, `["é"]`, `[ 1 ]`, `["x"`, `["x"].y`, `["a"]["b"]`, "[99999999999999999999]"}), rapid.StringMatching(`\["[ -~]{0,4}"\]`))
	rapid.Check(t, func(t *rapid.T) {
		var s string
		for n := range rapid.IntRange(1, 5).Draw(t, "names") {
			if n > 0 {
				s += "."
			}
			s += name.Draw(t, "name")
		}
		s += key.Draw(t, "key")
		got, ok := parsePlain(s)
		if !ok {
			return
		}
		want, err := parseExpression(s)
		if err != nil || got != want {
			t.Fatalf("%s: got %+v, want %+v, %v", s, got, want, err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		if _, err := Parse(`composition.webserver.docker.docker_container["client17"]`); err != nil {
			b.Fatal(err)
		}
	}
}
