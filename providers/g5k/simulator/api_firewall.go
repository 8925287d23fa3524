package simulator

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// opening lets traffic from outside, over IPv6, to a job's nodes.
type opening struct {
	Addr  list[string] `json:"addr"`
	Port  list[any]    `json:"port,omitempty"`
	Proto string       `json:"proto,omitempty"`
}

// list is a list in JSON, or the only one of its elements.
type list[T any] []T

// UnmarshalJSON takes both.
func (l *list[T]) UnmarshalJSON(text []byte) error {
	var many []T
	if err := json.Unmarshal(text, &many); err == nil {
		*l = many
		return nil
	}
	var one T
	if err := json.Unmarshal(text, &one); err != nil {
		return err
	}
	*l = []T{one}
	return nil
}

func (s *Simulator) listFirewall(r *request, t *site) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := object{}
	for job, rules := range t.firewall {
		all[strconv.Itoa(job)] = rules
	}
	return answerJSON(r.w, http.StatusOK, "application/json", all)
}

func (s *Simulator) getFirewall(r *request, t *site) error {
	j, err := s.findJob(r, t)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	rules := t.firewall[j.ID]
	if rules == nil {
		rules = []opening{}
	}
	return answerJSON(r.w, http.StatusOK, "application/json", rules)
}

// postFirewall adds rules: for nodes of the job alone, while it runs.
func (s *Simulator) postFirewall(r *request, t *site) error {
	j, err := s.findJob(r, t)
	if err != nil {
		return err
	}
	if err := r.owned(j.User); err != nil {
		return err
	}
	var rules []opening
	if err := json.NewDecoder(http.MaxBytesReader(r.w, r.Body, 1<<20)).Decode(&rules); err != nil || len(rules) == 0 {
		return badRequest("A list of rules is expected: [{\"addr\": [...], \"port\": [...], \"proto\": ...}]")
	}
	if owner, ok := t.owner(firstOf(j.Nodes)); !ok || owner.ID != j.ID {
		return badRequest("Job %d is not running", j.ID)
	}
	for _, rule := range rules {
		if err := checkRule(t, j.Nodes, rule); err != nil {
			return err
		}
	}
	t.mu.Lock()
	t.firewall[j.ID] = append(t.firewall[j.ID], rules...)
	all := slices.Clone(t.firewall[j.ID])
	t.mu.Unlock()
	return answerJSON(r.w, http.StatusCreated, "application/json", all)
}

func checkRule(t *site, nodes []string, rule opening) error {
	if len(rule.Addr) == 0 {
		return badRequest("A rule needs addr")
	}
	if rule.Proto != "" && !slices.Contains([]string{"tcp", "udp", "tcp+udp", "icmpv6", "all"}, strings.ToLower(rule.Proto)) {
		return badRequest("Unknown protocol %s", rule.Proto)
	}
	for _, address := range rule.Addr {
		name := strings.Replace(address, "-ipv6.", ".", 1)
		if !slices.Contains(nodes, name) {
			return failure{http.StatusForbidden, address + " is not in the job"}
		}
	}
	return nil
}

func (s *Simulator) deleteFirewall(r *request, t *site) error {
	j, err := s.findJob(r, t)
	if err != nil {
		return err
	}
	if err := r.owned(j.User); err != nil {
		return err
	}
	t.mu.Lock()
	delete(t.firewall, j.ID)
	t.mu.Unlock()
	r.w.WriteHeader(http.StatusNoContent)
	return nil
}

func firstOf(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
