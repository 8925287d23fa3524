package simulator

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/nixos-compose/nxc/providers/g5k/simulator/oar"
)

// controls are the paths by which another process makes faults and moves the
// clock:
//
//	GET    /sim/                                what there is: addresses, the clock
//	GET    /sim/requests                        what the API was asked
//	POST   /sim/clock {"advance": "1h"}         moves the clock
//	POST   /sim/faults FAULT                    makes a fault of answers, "for" in nanoseconds
//	DELETE /sim/faults                          takes them back
//	POST   /sim/outage {"out": true}            takes the network away
//	POST   /sim/sites/SITE {"down", "stall", "refuse": {"status", "message"}}
//	POST   /sim/sites/SITE/jobs SUBMISSION      submits a job of any user
//	DELETE /sim/sites/SITE/jobs/ID              kills a job
//	POST   /sim/nodes/NODE {"state", "maintenance", "silent", "fail", "lose"}
func (s *Simulator) controls(mux *http.ServeMux) {
	handle := func(pattern string, do func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			answer, err := do(r)
			if err == nil {
				err = answerJSON(w, http.StatusOK, "application/json", answer)
			}
			if err != nil {
				answerText(w, http.StatusBadRequest, err.Error()+"\n")
			}
		})
	}
	handle("GET /sim/{$}", func(*http.Request) (any, error) { return s.describe(), nil })
	handle("GET /sim/requests", func(*http.Request) (any, error) { return s.Requests(), nil })
	handle("POST /sim/clock", s.controlClock)
	handle("POST /sim/faults", s.controlFaults)
	handle("DELETE /sim/faults", func(*http.Request) (any, error) { s.ClearFaults(); return s.describe(), nil })
	handle("POST /sim/outage", s.controlOutage)
	handle("POST /sim/sites/{site}", s.controlSite)
	handle("POST /sim/sites/{site}/jobs", s.controlSubmit)
	handle("DELETE /sim/sites/{site}/jobs/{job}", func(r *http.Request) (any, error) {
		id, _ := strconv.Atoi(r.PathValue("job"))
		return s.describe(), s.KillJob(r.PathValue("site"), id)
	})
	handle("POST /sim/nodes/{node}", s.controlNode)
}

// describe tells what there is.
func (s *Simulator) describe() object {
	return object{
		"api": s.API(), "gateway": s.Gateway(), "known_hosts": s.KnownHosts(), "public": s.PublicURL(), "user": s.options.User,
		"sites": s.names, "now": s.Now().UTC().Format(time.RFC3339), "speed": s.clock.Speed(),
	}
}

func decodeControl(r *http.Request, into any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	return d.Decode(into)
}

func (s *Simulator) controlClock(r *http.Request) (any, error) {
	var body struct{ Advance string }
	if err := decodeControl(r, &body); err != nil {
		return nil, err
	}
	d, err := time.ParseDuration(body.Advance)
	if err != nil {
		return nil, err
	}
	s.Advance(d)
	return s.describe(), nil
}

func (s *Simulator) controlFaults(r *http.Request) (any, error) {
	var f Fault
	if err := decodeControl(r, &f); err != nil {
		return nil, err
	}
	s.Inject(f)
	return f, nil
}

func (s *Simulator) controlOutage(r *http.Request) (any, error) {
	var body struct{ Out bool }
	if err := decodeControl(r, &body); err != nil {
		return nil, err
	}
	s.Outage(body.Out)
	return body, nil
}

func (s *Simulator) controlSite(r *http.Request) (any, error) {
	var body struct {
		Down, Stall *bool
		Refuse      *struct {
			Status  int
			Message string
		}
	}
	if err := decodeControl(r, &body); err != nil {
		return nil, err
	}
	site := r.PathValue("site")
	if _, err := s.site(site); err != nil {
		return nil, err
	}
	if body.Down != nil {
		_ = s.SetSiteDown(site, *body.Down) // there is such a site
	}
	if body.Stall != nil {
		_ = s.StallJobs(site, *body.Stall)
	}
	if body.Refuse != nil {
		_ = s.RefuseJobs(site, body.Refuse.Status, body.Refuse.Message)
	}
	return s.describe(), nil
}

func (s *Simulator) controlSubmit(r *http.Request) (any, error) {
	var sub oar.Submission
	if err := decodeControl(r, &sub); err != nil {
		return nil, err
	}
	j, err := s.SubmitJob(r.PathValue("site"), sub)
	return object{"uid": j.ID}, err
}

func (s *Simulator) controlNode(r *http.Request) (any, error) {
	var body struct {
		State                           *oar.NodeState
		Maintenance, Silent, Fail, Lose *bool
	}
	if err := decodeControl(r, &body); err != nil {
		return nil, err
	}
	node := r.PathValue("node")
	if s.host(node) == nil {
		return nil, notFound("there is no node %s", node)
	}
	if body.State != nil {
		_ = s.SetNode(node, *body.State) // there is such a node
	}
	if body.Maintenance != nil {
		_ = s.SetMaintenance(node, *body.Maintenance)
	}
	if body.Silent != nil {
		s.Silence(node, *body.Silent)
	}
	if body.Fail != nil && *body.Fail {
		s.FailDeployment(node)
	}
	if body.Lose != nil && *body.Lose {
		s.LoseDeployment(node)
	}
	return s.describe(), nil
}
