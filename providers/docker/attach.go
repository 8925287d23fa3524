package docker

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// attachments are what nodes mount beside the store.
type attachments struct {
	mounts  map[string][]Mount
	targets map[string][]VolumeMount // volumes still without their names
	volumes map[string][]string      // keys of the docker_volumes, one for each target
}

func (a attachments) add(n node, want *Container) {
	want.Mounts = append(want.Mounts, a.mounts[n.Name]...)
	want.Volumes = a.targets[n.Name]
}

// attach reads the volumes of each node, the composition's and the
// configuration's, and adds those that the deployment is to have.
func (e *engine) attach(nodes []node, configured map[string][]string, x extra, out *sdk.Expansion) (attachments, error) {
	a := attachments{map[string][]Mount{}, map[string][]VolumeMount{}, map[string][]string{}}
	named := map[string]bool{}
	for _, n := range nodes {
		specs := slices.Concat(of(x.Volumes, n), of(configured, n))
		if len(of(x.Shared, n)) > 0 {
			specs = append(specs, keyShared+":"+sharedFolder)
		}
		for _, spec := range specs {
			source, target, access, err := parseVolume(spec)
			if err != nil {
				return a, sdk.AttributeError("volumes", fmt.Sprintf("%q is not a volume", spec), err.Error()+".")
			}
			if strings.HasPrefix(source, ".") {
				source = filepath.Join(e.project, source)
			}
			if strings.HasPrefix(source, "/") {
				a.mounts[n.Name] = append(a.mounts[n.Name], Mount{Source: source, Target: target, ReadOnly: access == "ro"})
				continue
			}
			a.targets[n.Name] = append(a.targets[n.Name], VolumeMount{Volume: source, Target: target, ReadOnly: access == "ro"})
			a.volumes[n.Name] = append(a.volumes[n.Name], source)
			named[source] = true
		}
	}
	for _, name := range keysOf(named) {
		sdk.Add(out, "docker_volume", name, Volume{Name: name})
	}
	return a, nil
}

// parseVolume reads SOURCE:TARGET[:ro].
func parseVolume(spec string) (source, target, access string, err error) {
	parts := strings.Split(spec, ":")
	if len(parts) == 2 {
		parts = append(parts, "rw")
	}
	switch {
	case len(parts) != 3 || parts[0] == "" || parts[2] != "ro" && parts[2] != "rw":
		err = errors.New("write SOURCE:TARGET, or SOURCE:TARGET:ro for one that cannot be written to")
	case !strings.HasPrefix(parts[1], "/"):
		err = fmt.Errorf("the target %q is not an absolute path inside the node", parts[1])
	default:
		source, target, access = parts[0], parts[1], parts[2]
	}
	return source, target, access, err
}
