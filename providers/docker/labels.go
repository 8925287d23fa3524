package docker

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/moby/moby/client"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// The labels that everything made here carries. They cannot be changed after
// creation, so whether an object is complete is read from the object itself.
const (
	labelDeployment = "org.nxc.deployment" // the deployment's uuid
	labelName       = "org.nxc.name"       // the deployment's name, for people
	labelAddress    = "org.nxc.address"    // of the resource
	labelAttempt    = "org.nxc.attempt"    // the try that made the object
	labelType       = "org.nxc.type"       // of the resource; containers inherit their image's labels
	labelObject     = "org.nxc.object"     // what was asked for, as JSON
)

// composeKind is the word under which Compose looks for objects of a type.
func composeKind(typ string) string {
	switch typ {
	case "docker_container":
		return "service"
	case "docker_network":
		return "network"
	case "docker_volume":
		return "volume"
	}
	return ""
}

// marks returns the labels of an object of a type about to be made for op: the
// user's own, ours, and those by which Compose recognises it under its name.
func marks(op sdk.Operation, typ, name string, own map[string]string, object any) (map[string]string, error) {
	asked, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("label %s: %w", op.Address, err)
	}
	labels := make(map[string]string, len(own)+12)
	maps.Copy(labels, own)
	labels[labelDeployment] = op.UUID
	labels[labelName] = op.Deployment
	labels[labelAddress] = op.Address
	labels[labelAttempt] = op.Attempt
	labels[labelType] = typ
	labels[labelObject] = string(asked)
	kind := composeKind(typ)
	if project := composeProject(op.Deployment); project != "" && kind != "" {
		// Deployments of one name may run side by side, and Compose must not mix
		// them up. It takes a project's name from its folder, and nxc keeps the
		// Compose file in one of this name.
		labels["com.docker.compose.project"] = project + "-" + op.UUID[:min(8, len(op.UUID))]
		labels["com.docker.compose."+kind] = name
		labels["com.docker.compose.version"] = "2.0.0"
		if kind == "service" {
			labels["com.docker.compose.container-number"] = "1"
			labels["com.docker.compose.oneoff"] = "False"
			labels["com.docker.compose.config-hash"] = op.Attempt
		}
	}
	return labels, nil
}

// ours reports whether labels are those of an object of a type that op's
// deployment made, in op's attempt when it names one.
func ours(op sdk.Operation, typ string, labels map[string]string) bool {
	if op.UUID == "" || labels[labelDeployment] != op.UUID || labels[labelType] != typ {
		return false
	}
	return op.Attempt == "" || labels[labelAttempt] == op.Attempt
}

// ofDeployment selects the objects of a type that op's deployment made, or,
// when byAttempt, op's attempt.
func ofDeployment(op sdk.Operation, typ string, byAttempt bool) client.Filters {
	f := make(client.Filters).Add("label", labelDeployment+"="+op.UUID, labelType+"="+typ)
	if byAttempt {
		f.Add("label", labelAttempt+"="+op.Attempt)
	}
	return f
}

// askedFor fills object with what was asked for when the object that carries
// labels was made.
func askedFor(labels map[string]string, object any) error {
	text := labels[labelObject]
	if text == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(text), object); err != nil {
		return fmt.Errorf("label %s of %s: %w", labelObject, labels[labelAddress], err)
	}
	return nil
}

// outsideName is the name that an object has in the engine: its deployment,
// its own name, and the beginning of the attempt, so that an object and its
// successor can exist side by side.
func outsideName(op sdk.Operation, name string) string {
	parts := []string{name, shortAttempt(op)}
	if project := composeProject(op.Deployment); project != "" {
		parts = append([]string{project}, parts...)
	}
	return plain(strings.Join(parts, "-"), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
}

// shortAttempt is enough of the attempt to tell objects of one name apart.
func shortAttempt(op sdk.Operation) string { return op.Attempt[:min(len(op.Attempt), 8)] }

// composeProject is the deployment's name in the letters that Compose allows
// for a project.
func composeProject(deployment string) string {
	return plain(strings.ToLower(strings.ReplaceAll(deployment, "::", "-")), "abcdefghijklmnopqrstuvwxyz0123456789_-")
}

// plain replaces what is not in allowed by "-", and drops what may not begin a
// name.
func plain(s, allowed string) string {
	s = strings.Map(func(r rune) rune {
		if strings.ContainsRune(allowed, r) {
			return r
		}
		return '-'
	}, s)
	return strings.TrimLeft(s, "_.-")
}

// owner says in a few words to whom an object of a type belongs. What only
// inherited our labels, from an image, is not nxc's.
func owner(typ string, labels map[string]string) string {
	switch {
	case labels[labelDeployment] != "" && labels[labelType] == typ && labels[labelName] != "":
		return "of nxc's deployment " + labels[labelName]
	case labels[labelDeployment] != "" && labels[labelType] == typ:
		return "of another configuration of nxc's"
	case labels["com.docker.compose.project"] != "":
		return "of the Compose project " + labels["com.docker.compose.project"]
	}
	return "not nxc's"
}

// notOurs refuses to touch what an object's record points at.
func notOurs(kind, name, id string, labels map[string]string) error {
	return sdk.Error(fmt.Sprintf("The %s %s is not of this deployment", kind, name),
		fmt.Sprintf("The engine's %s %s (%s) is %s, so it is left alone. If it is yours to remove, remove it with docker, then apply again.", kind, name, id[:min(len(id), 12)], owner("docker_"+kind, labels)))
}
