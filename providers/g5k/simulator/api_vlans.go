package simulator

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/nixos-compose/nxc/providers/g5k/simulator/oar"
)

func (r *request) vlanLinks(t *site, id string) []object {
	at := func(rel, kind string, more ...string) object {
		return r.link(rel, kind, append([]string{"sites", t.Name, "vlans", id}, more...)...)
	}
	return []object{
		at("dhcpd", itemType, "dhcpd"), at("nodes", itemType, "nodes"), at("users", collectionType, "users"), at("self", itemType),
		r.link("parent", collectionType, "sites", t.Name, "vlans"),
	}
}

func (s *Simulator) listVlans(r *request, t *site) error {
	items := []any{}
	for _, v := range t.Vlans() {
		id := strconv.Itoa(v.ID)
		items = append(items, object{"uid": id, "type": v.Kind, "links": r.vlanLinks(t, id)})
	}
	return r.collection(items, r.link("nodes", collectionType, "sites", t.Name, "vlans", "nodes"),
		r.link("users", collectionType, "sites", t.Name, "vlans", "users"), r.link("self", collectionType, "sites", t.Name, "vlans"),
		r.link("parent", itemType, "sites", t.Name))
}

func (s *Simulator) getVlan(r *request, t *site) error {
	r.cached()
	id, err := r.vlanID(t)
	if err != nil {
		return err
	}
	for _, v := range t.Vlans() {
		if v.ID == id {
			name := strconv.Itoa(id)
			return r.item(http.StatusOK, object{"uid": name, "type": v.Kind, "links": r.vlanLinks(t, name)})
		}
	}
	name := vlanOrDefault(id) // vlanID has looked at the others
	return r.item(http.StatusOK, object{"uid": name, "type": "NULL", "links": r.vlanLinks(t, name)})
}

// vlanUsers are those who have a job with the vlan.
func (t *site) vlanUsers(id int) []string {
	users := []string{}
	for _, j := range t.oar.Jobs() {
		if j.State == oar.Running && slices.Contains(j.Vlans, strconv.Itoa(id)) && !slices.Contains(users, j.User) {
			users = append(users, j.User)
		}
	}
	slices.Sort(users)
	return users
}

// mayUseVlan reports a failure unless the asker has a job with the vlan.
// Everybody may put nodes back to where they were at first.
func (r *request) mayUseVlan(t *site, id int) error {
	if id != 0 && !slices.Contains(t.vlanUsers(id), r.user) {
		return failure{http.StatusForbidden, "Not enough privileges on Kavlan resources"}
	}
	return nil
}

func (s *Simulator) putDHCP(r *request, t *site) error {
	id, err := r.vlanID(t)
	if err != nil {
		return err
	}
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); kind != "application/json" {
		return failure{http.StatusUnsupportedMediaType, "Content-Type '" + kind + "' is not supported"}
	}
	var body struct{ Action string }
	if err := r.decode(&body); err != nil {
		return err
	}
	if body.Action != "start" && body.Action != "stop" {
		return failure{http.StatusUnprocessableEntity, "An action ('start' or 'stop') should be provided"}
	}
	if err := r.mayUseVlan(t, id); err != nil {
		return err
	}
	t.mu.Lock()
	t.dhcp[id] = body.Action == "start"
	t.mu.Unlock()
	r.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Simulator) listVlanUsers(r *request, t *site) error {
	byUser := map[string][]int{}
	for _, v := range t.Vlans() {
		for _, u := range t.vlanUsers(v.ID) {
			byUser[u] = append(byUser[u], v.ID)
		}
	}
	items := []any{}
	for _, u := range sortedKeys(byUser) {
		items = append(items, r.tellVlanUser(t, u, byUser[u]))
	}
	return r.collection(items, r.link("self", collectionType, "sites", t.Name, "vlans", "users"), r.link("parent", collectionType, "sites", t.Name, "vlans"))
}

func (r *request) tellVlanUser(t *site, user string, vlans []int) object {
	return object{"uid": user, "vlans": vlans, "links": []object{
		r.link("self", itemType, "sites", t.Name, "vlans", "users", user), r.link("parent", collectionType, "sites", t.Name, "vlans", "users"),
	}}
}

func (s *Simulator) getVlanUser(r *request, t *site) error {
	user, vlans := r.PathValue("what"), []int{}
	for _, v := range t.Vlans() {
		if slices.Contains(t.vlanUsers(v.ID), user) {
			vlans = append(vlans, v.ID)
		}
	}
	return r.item(http.StatusOK, r.tellVlanUser(t, user, vlans))
}

func (r *request) tellUserOfVlan(t *site, id int, user, status string) object {
	vlan := strconv.Itoa(id)
	return object{"uid": user, "status": status, "links": []object{
		r.link("self", itemType, "sites", t.Name, "vlans", vlan, "users", user), r.link("parent", collectionType, "sites", t.Name, "vlans", vlan, "users"),
	}}
}

// getOfVlan tells what a vlan has; the paths vlans/users/USER and
// vlans/VLAN/users have one form.
func (s *Simulator) getOfVlan(r *request, t *site) error {
	switch what := r.PathValue("what"); {
	case r.PathValue("vlan") == "users":
		return s.getVlanUser(r, t)
	case what == "users":
		return s.listUsersOfVlan(r, t)
	case what == "nodes":
		return s.listNodesOfVlan(r, t)
	}
	return notFound("Not Found")
}

func (s *Simulator) listUsersOfVlan(r *request, t *site) error {
	id, err := r.vlanID(t)
	if err != nil {
		return err
	}
	items := []any{}
	for _, u := range t.vlanUsers(id) {
		items = append(items, r.tellUserOfVlan(t, id, u, "authorized"))
	}
	vlan := strconv.Itoa(id)
	return r.collection(items, r.link("self", collectionType, "sites", t.Name, "vlans", vlan, "users"), r.link("parent", collectionType, "sites", t.Name, "vlans", vlan))
}

func (s *Simulator) getUserOfVlan(r *request, t *site) error {
	id, err := r.vlanID(t)
	if err != nil {
		return err
	}
	status := "unauthorized"
	if slices.Contains(t.vlanUsers(id), r.PathValue("user")) {
		status = "authorized"
	}
	return r.item(http.StatusOK, r.tellUserOfVlan(t, id, r.PathValue("user"), status))
}

func (r *request) tellVlanNode(t *site, node string, vlan any) object {
	return object{"uid": node, "vlan": vlan, "links": []object{
		r.link("self", itemType, "sites", t.Name, "vlans", "nodes", node), r.link("parent", collectionType, "sites", t.Name, "vlans", "nodes"),
	}}
}

// vlanNodes are the nodes that a test keeps, sorted, with their vlans.
func (t *site) vlanNodes(keep func(node string, vlan int) bool) (nodes []string, vlans []int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.Clusters {
		for i := 1; i <= c.Nodes; i++ {
			if node := c.Node(i); keep(node, t.vlans[node]) {
				nodes, vlans = append(nodes, node), append(vlans, t.vlans[node])
			}
		}
	}
	return nodes, vlans
}

func (s *Simulator) listVlanNodes(r *request, t *site) error {
	return r.answerVlanNodes(t, func(string, int) bool { return true })
}

func (r *request) answerVlanNodes(t *site, keep func(string, int) bool) error {
	nodes, vlans := t.vlanNodes(keep)
	items := []any{}
	for i, node := range nodes {
		items = append(items, r.tellVlanNode(t, node, vlanOrDefault(vlans[i])))
	}
	return r.collection(items, r.link("self", collectionType, "sites", t.Name, "vlans", "nodes"), r.link("parent", collectionType, "sites", t.Name, "vlans"))
}

// vlanOrDefault tells a node's vlan: a node in none is in the one called
// DEFAULT.
func vlanOrDefault(id int) string {
	if id == 0 {
		return "DEFAULT"
	}
	return strconv.Itoa(id)
}

// nodeList reads a body that is a bare array of names.
func (r *request) nodeList() ([]string, error) {
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); kind != "application/json" {
		return nil, failure{http.StatusUnsupportedMediaType, "Content-Type '" + kind + "' is not supported"}
	}
	var nodes []string
	if err := json.NewDecoder(http.MaxBytesReader(r.w, r.Body, 1<<20)).Decode(&nodes); err != nil || len(nodes) == 0 {
		return nil, failure{http.StatusUnprocessableEntity, "Missing node list"}
	}
	return nodes, nil
}

func (s *Simulator) askVlanNodes(r *request, t *site) error {
	nodes, err := r.nodeList()
	if err != nil {
		return err
	}
	return r.answerVlanNodes(t, func(node string, _ int) bool { return slices.Contains(nodes, node) })
}

func (s *Simulator) listNodesOfVlan(r *request, t *site) error {
	r.cached()
	id, err := r.vlanID(t)
	if err != nil {
		return err
	}
	nodes, _ := t.vlanNodes(func(_ string, vlan int) bool { return vlan == id })
	items := []any{}
	for _, node := range nodes {
		items = append(items, r.tellVlanNode(t, node, strconv.Itoa(id)))
	}
	return r.collection(items, r.link("self", collectionType, "sites", t.Name, "vlans", strconv.Itoa(id), "nodes"),
		r.link("parent", itemType, "sites", t.Name, "vlans", strconv.Itoa(id)))
}

func (s *Simulator) postNodesOfVlan(r *request, t *site) error {
	id, err := r.vlanID(t)
	if err != nil {
		return err
	}
	nodes, err := r.nodeList()
	if err != nil {
		return err
	}
	if err := r.mayUseVlan(t, id); err != nil {
		return err
	}
	answer := object{}
	for _, node := range nodes {
		answer[node] = t.putInVlan(node, id)
	}
	return r.item(http.StatusOK, answer)
}

func (t *site) putInVlan(node string, id int) object {
	if _, _, ok := t.node(node); !ok {
		return object{"status": "failure", "message": "Unknown node"}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.vlans[node] == id {
		return object{"status": "unchanged", "message": "Node already in vlan"}
	}
	t.vlans[node] = id
	return object{"status": "success", "message": "Successfully added to vlan"}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
