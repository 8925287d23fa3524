package spec

import (
	"fmt"
	"strings"
)

// erratum is one correction: what is at a place of the document becomes
// something else, nil removes it.
type erratum struct {
	at     []string
	value  any
	reason string
}

type object = map[string]any

const (
	itemType       = "application/vnd.grid5000.item+json"
	collectionType = "application/vnd.grid5000.collection+json"
)

// errata are the corrections, in the order in which they are made.
func errata() []erratum {
	schema := func(names ...string) []string { return append([]string{"components", "schemas"}, names...) }
	answers := func(path, method, status string) []string {
		return []string{"paths", path, method, "responses", status}
	}
	list := []erratum{
		{answers("/sites/{siteId}/deployments/{deploymentId}", "delete", "204"), nil, "a deployment is cancelled later: 202"},
		{answers("/sites/{siteId}/deployments/{deploymentId}", "delete", "202"), object{"description": "Accepted."}, "as jobs"},
		{schema("Job", "properties", "resources_by_types"), nil, "it is spelled otherwise"},
		{schema("Job", "properties", "resources_by_type"), byType(), "the name that answers have"},
		{schema("Vlan", "properties", "uid"), object{"type": "string"}, "a vlan's number is a text"},
		{schema("VlanNode", "properties", "vlan"), object{"type": "string"}, "a vlan's number is a text, and DEFAULT is one"},
		{schema("Environment", "properties", "partition_type"), object{"type": "integer"}, "answers have a number"},
		{answers("/sites/{siteId}/jobs", "post", "201"), answer(itemType, ref("Job")), "the whole job is answered"},
		{answers("/sites/{siteId}/deployments", "post", "201"), answer(itemType, object{"allOf": []any{ref("DeploymentCreated")}}), "the deployment is answered, without results"},
		{schema("DeploymentCreated"), object{"type": "object", "required": []any{"uid", "site_uid", "user_uid", "environment", "status", "nodes", "created_at", "links"}}, "as above"},
		{answers("/sites/{siteId}/jobs/{jobId}", "get", "200"), answer(itemType, object{"allOf": []any{ref("Job"), runningJob()}}), "a running job tells more than others"},
		{answers("/sites/{siteId}/jobs/{jobId}/walltime", "post", "202"), answer("text/plain", nil), "OAR's words are answered"},
		{answers("/sites/{siteId}/vlans/{vlanId}/nodes", "post", "200"), answer(itemType, vlanAnswer()), "by node, and as an item"},
		{[]string{"paths", "/sites/{siteId}/clusters/{clusterId}/nodes"}, get(collectionType, nil), "the nodes of the reference data are missing"},
		{[]string{"paths", "/sites/{siteId}/clusters/{clusterId}/nodes/{nodeId}"}, get(itemType, nil), "as above"},
		{[]string{"paths", "/sites/{siteId}/firewall"}, get("application/json", object{"type": "object"}), "the firewall is missing"},
		{[]string{"paths", "/sites/{siteId}/firewall/{jobId}"}, firewall(), "as above"},
		{[]string{"paths", "/sites/{siteId}/storage/home/{userId}/access"}, storage(), "the storage is missing"},
		{[]string{"paths", "/sites/{siteId}/storage/home/{userId}/access/{entryId}"}, object{"delete": object{"responses": object{"204": object{}, "404": text()}}}, "as above"},
		{[]string{"paths", "/"}, get(itemType, nil), "the root is missing"},
	}
	for _, failing := range []struct {
		path, method string
		statuses     []string
	}{
		{"/sites/{siteId}/jobs", "post", []string{"400", "403", "404", "500"}},
		{"/sites/{siteId}/jobs/{jobId}", "delete", []string{"400", "403", "404", "500"}},
		{"/sites/{siteId}/deployments", "post", []string{"400", "403", "404", "500"}},
		{"/sites/{siteId}/deployments/{deploymentId}", "delete", []string{"403", "404", "500"}},
		{"/sites/{siteId}/vlans/{vlanId}/nodes", "post", []string{"403"}},
	} {
		for _, status := range failing.statuses {
			list = append(list, erratum{answers(failing.path, failing.method, status), text(), "failures are missing"})
		}
	}
	for _, path := range []string{
		"/sites/{siteId}/clusters", "/sites/{siteId}/status", "/sites/{siteId}/clusters/{clusterId}/status", "/sites/{siteId}/jobs",
		"/sites/{siteId}/deployments", "/sites/{siteId}/environments", "/sites/{siteId}/vlans", "/sites/{siteId}/vlans/users",
		"/sites/{siteId}/vlans/nodes", "/sites/{siteId}/servers", "/sites/{siteId}/pdus", "/sites/{siteId}/network_equipments",
	} {
		list = append(list, erratum{answers(path, "get", "404"), text(), "a site that there is not"})
	}
	return list
}

// apply makes the correction.
func (e erratum) apply(document any) error {
	o, ok := document.(object)
	for i, step := range e.at[:len(e.at)-1] {
		if !ok {
			return fmt.Errorf("%s is no object", e.at[:i])
		}
		next, exists := o[step]
		if !exists {
			return fmt.Errorf("there is no %s", e.at[:i+1])
		}
		o, ok = next.(object)
	}
	last := e.at[len(e.at)-1]
	if e.value == nil {
		if _, exists := o[last]; !exists {
			return fmt.Errorf("there is no %s", e.at)
		}
		delete(o, last)
		return nil
	}
	o[last] = e.value
	return nil
}

func ref(name string) object { return object{"$ref": "#/components/schemas/" + name} }

func answer(kind string, schema object) object {
	content := object{}
	if schema != nil {
		content["schema"] = schema
	}
	return object{"description": "", "content": object{kind: content}}
}

func text() object { return answer("text/plain", nil) }

func get(kind string, schema object) object {
	return object{"get": object{"responses": object{"200": answer(kind, schema), "404": text()}}}
}

// byType is what a job has, by type. There are no others.
func byType() object {
	texts := object{"type": "array", "items": object{"type": "string"}}
	return object{"type": "object", "additionalProperties": false, "properties": object{
		"cores": texts, "disks": texts, "subnets": texts, "vlans": object{"type": "array", "items": object{"type": "integer"}},
	}}
}

// runningJob is what is told of a job while it runs, where one job is told.
func runningJob() object {
	const told = "assigned_nodes command directory events links message mode project properties queue resources_by_type scheduled_at started_at state submitted_at types uid user user_uid walltime"
	required := []any{}
	for _, name := range strings.Fields(told) {
		required = append(required, name)
	}
	return object{"anyOf": []any{
		object{"properties": object{"state": object{"not": object{"enum": []any{"running"}}}}},
		object{"required": required},
	}}
}

func vlanAnswer() object {
	return object{"type": "object", "additionalProperties": object{
		"type": "object", "required": []any{"status", "message"},
		"properties": object{"status": object{"enum": []any{"success", "failure", "unchanged"}}, "message": object{"type": "string"}},
	}}
}

func firewall() object {
	rules := object{"type": "array", "items": object{
		"type": "object", "required": []any{"addr"},
		"properties": object{"addr": object{"type": "array"}, "port": object{"type": "array"}, "proto": object{"type": "string"}},
	}}
	o := get("application/json", rules)
	o["post"] = object{"responses": object{"201": answer("application/json", rules), "400": text(), "403": text(), "404": text()}}
	o["delete"] = object{"responses": object{"204": object{}, "403": text(), "404": text()}}
	return o
}

func storage() object {
	entry := object{"type": "object", "required": []any{"ipv4", "termination"}}
	o := get("application/json", object{"type": "array", "items": entry})
	o["post"] = object{"responses": object{"201": answer("application/json", entry), "400": text(), "403": text(), "404": text()}}
	return o
}
