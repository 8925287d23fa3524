package simulator

import (
	"net"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"github.com/nixos-compose/nxc/providers/g5k/simulator/oar"
)

// volume lets an address mount a user's home for as long as a job lasts.
type volume struct {
	UID         string      `json:"uid"`
	Address     string      `json:"ipv4"`
	Termination termination `json:"termination"`
}

type termination struct {
	Job  int    `json:"job,omitempty"`
	Site string `json:"site,omitempty"`
}

// living are a user's entries whose jobs have not ended.
func (s *Simulator) living(t *site, user string) []volume {
	t.mu.Lock()
	entries := t.storage[user]
	t.mu.Unlock()
	all := []volume{}
	for _, v := range entries {
		at := s.sites[v.Termination.Site]
		if at == nil {
			continue
		}
		if j, ok := at.oar.Job(v.Termination.Job); ok && !j.State.Over() {
			all = append(all, v)
		}
	}
	return all
}

func (s *Simulator) getAccess(r *request, t *site) error {
	if err := r.owned(r.PathValue("user")); err != nil {
		return err
	}
	return answerJSON(r.w, http.StatusOK, "application/json", s.living(t, r.user))
}

func (s *Simulator) postAccess(r *request, t *site) error {
	if err := r.owned(r.PathValue("user")); err != nil {
		return err
	}
	var v volume
	if err := r.decode(&v); err != nil {
		return err
	}
	if v.Termination.Site == "" {
		v.Termination.Site = t.Name
	}
	if net.ParseIP(v.Address).To4() == nil {
		if _, _, err := net.ParseCIDR(v.Address); err != nil {
			return badRequest("ipv4 is not an address: %q", v.Address)
		}
	}
	at := s.sites[v.Termination.Site]
	if at == nil {
		return badRequest("Unknown site %s", v.Termination.Site)
	}
	j, ok := at.oar.Job(v.Termination.Job)
	if !ok || j.User != r.user || j.State == oar.Waiting || j.State.Over() {
		return badRequest("Job %s is not a running job of yours", strconv.Itoa(v.Termination.Job))
	}
	v.UID = uuid.NewString()
	t.mu.Lock()
	t.storage[r.user] = append(t.storage[r.user], v)
	t.mu.Unlock()
	return answerJSON(r.w, http.StatusCreated, "application/json", v)
}

func (s *Simulator) deleteAccess(r *request, t *site) error {
	if err := r.owned(r.PathValue("user")); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := []volume{}
	for _, v := range t.storage[r.user] {
		if v.UID != r.PathValue("entry") {
			kept = append(kept, v)
		}
	}
	if len(kept) == len(t.storage[r.user]) {
		return notFound("No such access")
	}
	t.storage[r.user] = kept
	r.w.WriteHeader(http.StatusNoContent)
	return nil
}
