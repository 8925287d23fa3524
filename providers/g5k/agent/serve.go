package agent

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// handler serves the items to other relays, by "Range: bytes=N-". What is not
// there yet is sent when it comes.
func (s *shelf) handler(token string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, ok := strings.CutPrefix(r.URL.Path, "/"+token+"/")
		h := s.items[name]
		if !ok || h == nil || r.Method != http.MethodGet {
			http.NotFound(w, r)
			return
		}
		from, err := rangeStart(r.Header.Get("Range"))
		if err != nil || from > h.Size {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", h.Size))
			http.Error(w, "no such range", http.StatusRequestedRangeNotSatisfiable)
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.FormatInt(h.Size-from, 10))
		status := http.StatusOK
		if from > 0 {
			status = http.StatusPartialContent
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, h.Size-1, h.Size))
		}
		w.WriteHeader(status)
		_ = s.pass(r.Context(), w, h, from) // whoever asked goes elsewhere
	})
}

// pass writes an item from an offset to its end, as it grows. One that turns
// out to be wrong is cut off.
func (s *shelf) pass(ctx context.Context, w http.ResponseWriter, h *held, at int64) error {
	for at < h.Size {
		have, _, changed := s.state(h)
		if have <= at {
			if have < at {
				return errWrong
			}
			_ = http.NewResponseController(w).Flush()
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		n, err := io.Copy(w, io.NewSectionReader(h.file, at, have-at))
		at += n
		s.mu.Lock()
		s.sent += n
		s.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// rangeStart reads "bytes=N-".
func rangeStart(header string) (int64, error) {
	if header == "" {
		return 0, nil
	}
	text, ok := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(text, "-")
	if !ok || !dash || last != "" {
		return 0, fmt.Errorf("range %q is not supported", header)
	}
	n, err := strconv.ParseUint(first, 10, 62)
	return int64(n), err
}
