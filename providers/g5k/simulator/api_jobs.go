package simulator

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/nixos-compose/nxc/providers/g5k/simulator/oar"
)

// tellJob tells a job as the API does: nothing that is null, and of a listing
// nothing of what it has unless that was asked for.
func tellJob(r *request, t *site, j oar.Job, resources bool) object {
	o := object{
		"uid": j.ID, "user_uid": j.User, "user": j.User, "walltime": int(j.Walltime / time.Second), "queue": j.Queue,
		"state": strings.ToLower(string(j.State)), "project": j.Project, "types": emptyNotNull(j.Types), "mode": "PASSIVE",
		"command": j.Command, "submitted_at": j.Submitted.Unix(), "started_at": unixOrZero(j.Started), "message": j.Message,
		"properties": j.Properties, "directory": j.Directory, "events": tellEvents(j.Events),
		"links": []object{r.link("self", itemType, "sites", t.Name, "jobs", strconv.Itoa(j.ID)), r.link("parent", itemType, "sites", t.Name)},
	}
	if j.Name != "" {
		o["name"] = j.Name
	}
	if !j.Stopped.IsZero() {
		o["stopped_at"] = j.Stopped.Unix()
	}
	if j.ExitCode != nil {
		o["exit_code"] = *j.ExitCode
	}
	switch {
	case !j.Scheduled.IsZero():
		o["scheduled_at"] = j.Scheduled.Unix()
	case !j.Started.IsZero() && !j.State.Over():
		o["scheduled_at"] = j.Started.Unix()
	}
	if resources {
		o["assigned_nodes"] = emptyNotNull(j.Nodes)
		o["resources_by_type"] = byType(j)
	}
	return o
}

func tellEvents(events []oar.Event) []object {
	all := []object{}
	for _, e := range events {
		all = append(all, object{"uid": e.ID, "created_at": e.At.Unix(), "type": e.Type, "description": e.Description})
	}
	return all
}

func byType(j oar.Job) object {
	o := object{}
	for name, list := range map[string][]string{"cores": j.Cores, "subnets": j.Subnets, "disks": j.Disks} {
		if len(list) > 0 {
			o[name] = list
		}
	}
	if len(j.Vlans) > 0 {
		ids := []int{}
		for _, v := range j.Vlans {
			ids = append(ids, number(v, 0))
		}
		o["vlans"] = ids
	}
	return o
}

func emptyNotNull(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func unixOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func (s *Simulator) listJobs(r *request, t *site) error {
	jobs := slices.DeleteFunc(t.oar.Jobs(), func(j oar.Job) bool { return !selected(r, j) })
	resources := r.FormValue("resources") != "" && r.FormValue("resources") != "no"
	return r.paged(len(jobs), func(i int) any { return tellJob(r, t, jobs[i], resources) },
		r.link("self", collectionType, "sites", t.Name, "jobs"), r.link("parent", itemType, "sites", t.Name))
}

// selected applies a listing's filters. The states that OAR spells with a
// small first letter are never found by their names: the API capitalises what
// it is given.
func selected(r *request, j oar.Job) bool {
	for name, value := range map[string]string{"user": j.User, "name": j.Name, "project": j.Project, "queue": j.Queue} {
		if want := r.FormValue(name); want != "" && want != value {
			return false
		}
	}
	states := r.FormValue("state")
	if states == "" {
		return true
	}
	return slices.ContainsFunc(strings.Split(states, ","), func(state string) bool {
		letters := []rune(strings.ToLower(strings.TrimSpace(state)))
		if len(letters) > 0 {
			letters[0] = unicode.ToUpper(letters[0])
		}
		return string(letters) == string(j.State)
	})
}

func (s *Simulator) findJob(r *request, t *site) (oar.Job, error) {
	id := r.PathValue("job")
	j, ok := t.oar.Job(number(id, -1))
	if !ok {
		return j, notFound("Couldn't find OAR::Job with 'job_id'=%s", id)
	}
	return j, nil
}

func (s *Simulator) getJob(r *request, t *site) error {
	j, err := s.findJob(r, t)
	if err != nil {
		return err
	}
	return r.item(http.StatusOK, tellJob(r, t, j, true))
}

// jobSubmission is the body of a submission.
type jobSubmission struct {
	Resources   string   `json:"resources"`
	Command     string   `json:"command"`
	Types       []string `json:"types"`
	Properties  string   `json:"properties"`
	Reservation string   `json:"reservation"`
	Queue       string   `json:"queue"`
	Name        string   `json:"name"`
	Project     string   `json:"project"`
	Directory   string   `json:"directory"`
}

func (s *Simulator) postJob(r *request, t *site) error {
	if r.user == "" || r.user == "anonymous" {
		return forbidden
	}
	var body jobSubmission
	if err := r.decode(&body); err != nil {
		return err
	}
	if body.Reservation == "" && strings.TrimSpace(body.Command) == "" {
		return badRequest("The job you are trying to submit is not valid: you must give a :command to execute on launch")
	}
	j, err := t.oar.Submit(oar.Submission{
		User: r.user, Name: body.Name, Project: body.Project, Queue: body.Queue, Resources: body.Resources, Properties: body.Properties,
		Types: body.Types, Command: body.Command, Directory: body.Directory, Reservation: body.Reservation,
	})
	if err != nil {
		return s.wrap(t, "jobs.json", err)
	}
	r.w.Header().Set("Location", r.absolute("sites", t.Name, "jobs", strconv.Itoa(j.ID)))
	return r.item(http.StatusCreated, tellJob(r, t, j, true))
}

func (s *Simulator) deleteJob(r *request, t *site) error {
	j, err := s.findJob(r, t)
	if err != nil {
		return err
	}
	if err := r.owned(j.User); err != nil {
		return err
	}
	id := strconv.Itoa(j.ID)
	if err := t.oar.Delete(j.ID, r.user); err != nil {
		return s.wrap(t, "jobs/"+id+".json", err)
	}
	r.w.Header().Set("X-Oar-Info", "Deleting the job = "+id+" ...REGISTERED. The job(s) [ "+id+" ] will be deleted in a near future.")
	r.w.Header().Set("Location", r.absolute("sites", t.Name, "jobs", id))
	answerText(r.w, http.StatusAccepted, "")
	return nil
}

func (s *Simulator) getWalltime(r *request, t *site) error {
	j, err := s.findJob(r, t)
	if err != nil {
		return err
	}
	c, err := t.oar.Walltime(j.ID)
	if err != nil {
		return s.wrap(t, "jobs/details.json", err)
	}
	whole, possible := "NO", "0:0:0"
	if c.Whole {
		whole = "YES"
	}
	if c.Possible {
		possible = "UNLIMITED"
	}
	id := strconv.Itoa(j.ID)
	return r.item(http.StatusOK, object{
		"uid": j.ID, "walltime": oar.FormatWalltime(c.Walltime), "possible": possible, "timeout": "0:0:0", "force": "FORBIDDEN",
		"delay_next_jobs": "FORBIDDEN", "whole": whole, "granted": oar.FormatChange(c.Granted), "pending": oar.FormatChange(c.Pending),
		"granted_with_whole": "0:0:0", "granted_with_force": "0:0:0", "granted_with_delay_next_jobs": "0:0:0",
		"links": []object{
			r.link("self", itemType, "sites", t.Name, "jobs", id, "walltime"), r.link("parent", itemType, "sites", t.Name, "jobs", id),
		},
	})
}

func (s *Simulator) postWalltime(r *request, t *site) error {
	j, err := s.findJob(r, t)
	if err != nil {
		return err
	}
	var body struct {
		Walltime string `json:"walltime"`
		Whole    bool   `json:"whole"`
	}
	if err := r.decode(&body); err != nil {
		return err
	}
	text, err := t.oar.ChangeWalltime(j.ID, r.user, body.Walltime, body.Whole)
	if err != nil {
		var refusal oar.Refusal
		if errors.As(err, &refusal) {
			return failure{refusal.Code, refusal.Message}
		}
		return err
	}
	r.w.Header().Set("Location", r.absolute("sites", t.Name, "jobs", strconv.Itoa(j.ID), "walltime"))
	answerText(r.w, http.StatusAccepted, text)
	return nil
}
