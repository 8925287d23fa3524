package command

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// developmentVariable names the plugins that somebody works on, as NAME=PATH,
// separated by commas: each is used wherever its name is asked for, and neither
// compared with a pin nor pinned, so that it can be built again and again.
const developmentVariable = "NXC_PLUGIN_DEV"

// inDevelopment reads the variable. The warning keeps people from taking what they
// see for what others will see.
func inDevelopment(value string) (map[string]string, hcl.Diagnostics) {
	if strings.TrimSpace(value) == "" {
		return nil, nil
	}
	dev := map[string]string{}
	for entry := range strings.SplitSeq(value, ",") {
		name, path, ok := strings.Cut(strings.TrimSpace(entry), "=")
		if !ok || name == "" || path == "" {
			return nil, say(hcl.DiagError, developmentVariable+" is not NAME=PATH",
				fmt.Sprintf("It says %q. Name each provider and its program, separated by commas: netns=/home/me/netns/nxc-provider-netns.", entry))
		}
		program, err := developed(name, path)
		if err != nil {
			return nil, say(hcl.DiagError, fmt.Sprintf("The plugin of provider %s, which is in development, cannot be used", name),
				fmt.Sprintf("%s says %s=%s: %v. Build it, or unset the variable.", developmentVariable, name, path, err))
		}
		dev[name] = program
	}
	var used []string
	for _, name := range slices.Sorted(maps.Keys(dev)) {
		used = append(used, fmt.Sprintf("%s is %s", name, dev[name]))
	}
	return dev, say(hcl.DiagWarning, "Plugins in development are used",
		fmt.Sprintf("%s says so, and .nxc.lock.hcl does not count for them: %s.", developmentVariable, strings.Join(used, ", ")))
}

func say(severity hcl.DiagnosticSeverity, summary, detail string) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: severity, Summary: summary, Detail: detail}}
}

// developed returns the absolute path of a program, which may be told by its folder.
func developed(name, path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		path = filepath.Join(path, "nxc-provider-"+name)
		info, err = os.Stat(path)
	}
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return "", fmt.Errorf("%s is not a program", path)
	}
	return path, nil
}
