package g5k

import (
	"os"
	"path/filepath"
	"slices"
)

// The sites that have images of ours are remembered beside the state, before
// there is one: so Find need not log in at every site that there is.

func (t *testbed) sitesFolder() string { return filepath.Join(t.folders.State, "g5k-sites") }

// remember notes that there will be an image at a site.
func (t *testbed) remember(site string) error {
	if t.folders.State == "" {
		return nil
	}
	if err := os.MkdirAll(t.sitesFolder(), 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(t.sitesFolder(), site), nil, 0o600)
}

// usedSites lists them.
func (t *testbed) usedSites() []string {
	entries, err := os.ReadDir(t.sitesFolder())
	if err != nil {
		return nil
	}
	var sites []string
	for _, e := range entries {
		sites = append(sites, e.Name())
	}
	slices.Sort(sites)
	return sites
}
