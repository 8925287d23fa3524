package standin

import (
	"testing"
	"time"
)

func TestEnsure(t *testing.T) {
	start := time.Now()
	index, err := Ensure(t.Context(), Options{}, func(line string) { t.Log(time.Since(start).Round(time.Millisecond), line) })
	t.Log(index, err)
}
