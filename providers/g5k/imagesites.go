package g5k

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The sites that have images or stores of ours are remembered beside the state,
// before there is one: so Find need not log in at every site that there is.

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

// storePlace is where a store of ours may be.
type storePlace struct{ site, folder string }

func (t *testbed) storesFolder() string { return filepath.Join(t.folders.State, "g5k-stores") }

// rememberStore notes that there will be a store in a folder at a site.
func (t *testbed) rememberStore(site, folder string) error {
	if t.folders.State == "" {
		return nil
	}
	if err := os.MkdirAll(t.storesFolder(), 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(t.storesFolder(), site+"@"+base64.RawURLEncoding.EncodeToString([]byte(folder))), nil, 0o600)
}

// usedStores lists them.
func (t *testbed) usedStores() []storePlace {
	entries, err := os.ReadDir(t.storesFolder())
	if err != nil {
		return nil
	}
	var places []storePlace
	for _, e := range entries {
		site, rest, _ := strings.Cut(e.Name(), "@")
		if folder, err := base64.RawURLEncoding.DecodeString(rest); err == nil {
			places = append(places, storePlace{site, string(folder)})
		}
	}
	return places
}
