package simulator

import (
	"net/http"
	"slices"
)

func (s *Simulator) listDeployments(r *request, t *site) error {
	t.mu.Lock()
	found := []*deployment{}
	for _, d := range t.deployments {
		if u := r.FormValue("user"); u != "" && u != d.user {
			continue
		}
		if status := r.FormValue("status"); status != "" && status != d.status {
			continue
		}
		found = append(found, d)
	}
	t.mu.Unlock()
	if r.FormValue("reverse") != "true" {
		slices.Reverse(found)
	}
	return r.paged(len(found), func(i int) any { return found[i].tell(r, true) },
		r.link("self", collectionType, "sites", t.Name, "deployments"), r.link("parent", itemType, "sites", t.Name))
}

func (s *Simulator) postDeployment(r *request, t *site) error {
	if r.user == "" || r.user == "anonymous" {
		return forbidden
	}
	var body deploymentSubmission
	if err := r.decode(&body); err != nil {
		return err
	}
	if body.Environment == "" {
		return badRequest("The deployment you are trying to submit is not valid: Environment can't be blank")
	}
	d, err := s.deploy(t, r.user, body)
	if err != nil {
		return err
	}
	r.w.Header().Set("Location", r.absolute("sites", t.Name, "deployments", d.uid))
	return r.item(http.StatusCreated, d.tell(r, false))
}

func (r *request) findDeployment(t *site) (*deployment, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	uid := r.PathValue("deployment")
	for _, d := range t.deployments {
		if d.uid == uid {
			return d, nil
		}
	}
	return nil, notFound("Couldn't find Grid5000::Deployment with ID=%s", uid)
}

func (s *Simulator) getDeployment(r *request, t *site) error {
	d, err := r.findDeployment(t)
	if err != nil {
		return err
	}
	r.w.Header().Set("Cache-Control", "max-age=60, private")
	return r.item(http.StatusOK, d.tell(r, true))
}

func (s *Simulator) deleteDeployment(r *request, t *site) error {
	d, err := r.findDeployment(t)
	if err != nil {
		return err
	}
	if err := r.owned(d.user); err != nil {
		return err
	}
	d.cancel()
	r.w.Header().Set("Location", r.absolute("sites", t.Name, "deployments", d.uid))
	answerText(r.w, http.StatusAccepted, "")
	return nil
}
