package command

import (
	"context"
	"io"
	"strings"
	"testing"
)

// TestKeys checks that the detach key ends the input, and that what was typed
// before it arrives.
func TestKeys(t *testing.T) {
	detached := false
	got, err := io.ReadAll(&keys{from: strings.NewReader("ls\r\x1drest"), detach: func() { detached = true }})
	if string(got) != "ls\r" || err != nil || !detached {
		t.Errorf("got %q, %v, detached %v", got, err, detached)
	}
}

// TestPatientInput checks that the end of the input waits for the context.
func TestPatientInput(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := &patientInput{ctx: ctx, from: strings.NewReader("x")}
	b := make([]byte, 4)
	if n, err := p.Read(b); n != 1 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	cancel()
	if _, err := p.Read(b); err != io.EOF {
		t.Errorf("got %v", err)
	}
}
