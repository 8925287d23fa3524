package state

import "testing"

// TestSizeIsLinear looks at a chain, each of which depends on the last: with
// direct dependencies only, its part of the file stays the same.
func TestSizeIsLinear(t *testing.T) {
	size := func(n int) int {
		data, err := chain(n).Encode()
		must(t, err)
		return len(data)
	}
	few, many := size(500)-size(400), size(5000)-size(4900)
	if many > few*11/10 { // their numbers are longer
		t.Errorf("100 resources more make the state %d bytes larger after 400, and %d after 4,900", few, many)
	}
}
