package nix

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// searchPath gives each folder that may be read a name on Nix's search path,
// which is what the restricted mode goes by. Older versions take a folder for
// where its links lead; newer ones look at every link on the way, so each place
// that one leads to is named as well, before what leads there: they follow a
// folder's links when they read its name.
func (e *evaluator) searchPath(request string) []string {
	var args []string
	allow := func(name, path string) {
		for i, place := range slices.Backward(linkedPlaces(path)) {
			args = append(args, "-I", fmt.Sprintf("%s-link-%d=%s", name, i, place))
		}
		args = append(args, "-I", name+"="+path)
	}
	allow("nxc-store", e.physical(storeDir))
	allow("nxc-library", e.library)
	allow("nxc-trace", e.tracer)
	allow("nxc-request", request)
	if e.where.Root != "" { // which newer versions go by
		args = append(args, "-I", "nxc-store-name="+storeDir)
	}
	if e.flavour != "" {
		allow("nxc-flavour", e.flavour)
	}
	if path := e.request.Nixpkgs.Path; path != "" {
		allow("nixpkgs", path)
	}
	for i, folder := range e.folders {
		allow(fmt.Sprintf("nxc-folder-%d", i), folder)
	}
	return args
}

// maxLinks is how many links the kernel follows before it calls them a loop.
const maxLinks = 40

// linkedPlaces returns where an absolute path leads, one link after the other;
// the last has none left. A path without links leads nowhere else.
func linkedPlaces(path string) []string {
	var places []string
	for range maxLinks {
		next, found := followFirst(path)
		if !found {
			break
		}
		places = append(places, next)
		path = next
	}
	return places
}

// followFirst replaces the first link of a path by its target.
func followFirst(path string) (string, bool) {
	path = filepath.Clean(path)
	for end := 1; end <= len(path); end++ {
		if end < len(path) && path[end] != '/' {
			continue
		}
		target, err := os.Readlink(path[:end])
		if err != nil {
			continue
		}
		if !strings.HasPrefix(target, "/") {
			target = filepath.Join(filepath.Dir(path[:end]), target)
		}
		return filepath.Join(target, path[end:]), true
	}
	return "", false
}
