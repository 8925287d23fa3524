package plan

import "testing"

// TestRemarks keeps what a provider says of an object that is to be made, and
// takes it for no replacement.
func TestRemarks(t *testing.T) {
	it := &item{change: &Change{Action: Create, Reasons: []Reason{{Text: "it was removed"}}}, remarks: []Reason{{Text: "2 nodes"}}}
	it.finish()
	if got := reasonTexts(it.change.Reasons); it.change.Action != Create || got != "it was removed, 2 nodes" {
		t.Errorf("got %s, %q", it.change.Action, got)
	}
}
