package simulator

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/nixos-compose/nxc/providers/g5k/simulator/platform"
)

// publicHandler serves the public folders: public.SITE.grid5000.fr/~USER/ is
// USER's folder public at the site, and /SITE/~USER/ the same for who cannot
// resolve those names.
func (s *Simulator) publicHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		var name string
		path := strings.TrimPrefix(r.URL.Path, "/")
		if site, ok := strings.CutPrefix(strings.TrimSuffix(host, "."+platform.Domain), "public."); ok {
			name = site
		} else {
			name, path, _ = strings.Cut(path, "/")
		}
		user, file, _ := strings.Cut(path, "/")
		user, home := strings.CutPrefix(user, "~")
		t := s.sites[name]
		if t == nil || !home || user == "" || strings.ContainsAny(user, "/.") || t.isDown() {
			answerHTML(w, http.StatusNotFound, "Not Found", "The requested URL was not found on this server.")
			return
		}
		root, err := os.OpenRoot(filepath.Join(s.dir, "home", name, user, "public"))
		if err != nil {
			answerHTML(w, http.StatusNotFound, "Not Found", "The requested URL was not found on this server.")
			return
		}
		defer func() { _ = root.Close() }()
		// ServeContent ranges and dates are what agents on nodes rely on.
		f, err := root.Open(filepath.Clean(filepath.FromSlash(file)))
		if err != nil {
			answerHTML(w, http.StatusNotFound, "Not Found", "The requested URL was not found on this server.")
			return
		}
		defer func() { _ = f.Close() }()
		info, err := f.Stat()
		if err != nil || info.IsDir() {
			answerHTML(w, http.StatusForbidden, "Forbidden", "You don't have permission to access this resource.")
			return
		}
		http.ServeContent(w, r, info.Name(), info.ModTime(), f)
	})
}
