package oar

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Submission is what a user asks for.
type Submission struct {
	User        string
	Name        string
	Project     string
	Queue       string
	Resources   string
	Properties  string
	Types       []string
	Command     string
	Directory   string
	Reservation string // a start, or a start and an end
}

// Refusal is how OAR says no. Its text is the JSON that OAR's own API answers.
type Refusal struct {
	Code    int    `json:"code"`
	Title   string `json:"title"`
	Message string `json:"message"`
}

func (r Refusal) Error() string {
	var text strings.Builder
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false) // OAR writes --> as it is
	for i, field := range []struct {
		name  string
		value any
	}{{"title", r.Title}, {"message", r.Message}, {"code", r.Code}} {
		fmt.Fprintf(&text, "%s   %q : ", []string{"{\n", ",\n", ",\n"}[i], field.name)
		_ = e.Encode(field.value) // a text or a number: it cannot fail
		line := strings.TrimSuffix(text.String(), "\n")
		text.Reset()
		text.WriteString(line)
	}
	return text.String() + "\n}\n"
}

// The ways in which oarsub fails, with the status that it then ends with. What
// is wrong with the request is not always what OAR's interface takes for the
// request's fault.
const (
	badResources   = 8
	badDate        = 7
	badReservation = 10
	noQueue        = 248
	diedOfRule     = 254
	died           = 255
)

// oarsubFailed tells of a command that did not submit, as OAR's interface does.
func oarsubFailed(status int, said string) Refusal {
	r := Refusal{400, "Bad query", fmt.Sprintf("Oarsub command exited with status %d: %s\nCmd:\noarsub", status, said)}
	if status > badReservation {
		r.Code, r.Title = 500, "Oar server error"
	}
	return r
}

// ruled is what a rule that is no obstacle says of each job.
const ruled = "[ADMISSION RULE] Modify resource description with type constraints\n"

func badRequest(message string) Refusal {
	return oarsubFailed(badResources, ruled+message+"\nOAR_JOB_ID=-5\n[ERROR] Oarsub failed, please verify your request syntax.\n")
}

// badSQL is what the database has against a condition.
func badSQL(err error) Refusal {
	return badRequest("DBD::Pg::st execute failed: ERROR:  " + err.Error() + "\nBad resource request (ERROR:  " + err.Error() + ")")
}

func ruleDied(message string) Refusal {
	return oarsubFailed(diedOfRule, "[ADMISSION RULE] Error: "+message+"\n\n")
}

// notReserved is what oarsub says of a reservation that it does not get.
func notReserved(id int, reason string) Refusal {
	return oarsubFailed(badReservation, fmt.Sprintf("%sOAR_JOB_ID=%d\nReservation mode: waiting validation...\nReservation not valid --> KO (%s)\n", ruled, id, reason))
}

// Submit takes a job, or refuses it.
func (s *Server) Submit(sub Submission) (Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.refusals) > 0 {
		r := s.refusals[0]
		s.refusals = s.refusals[1:]
		return Job{}, r
	}
	j, err := s.admit(sub)
	if err != nil {
		return Job{}, err
	}
	j.ID = s.nextID
	s.nextID++
	s.jobs = append(s.jobs, j)
	j.Message = j.describe()
	if j.Reservation {
		if reason := s.reserve(j); reason != "" {
			s.notReserved(j, reason)
			return Job{}, notReserved(j.ID, reason)
		}
	}
	s.schedule(passDelay)
	return j.snapshot(), nil
}

// notReserved keeps a reservation that was refused: it is a job that failed,
// and was to begin and to end at its date.
func (s *Server) notReserved(j *Job, reason string) {
	j.State, j.Message, j.Started, j.Stopped, j.ending = Error, reason, j.Scheduled, j.Scheduled, true
	j.Scheduled = time.Time{}
	j.take(s.resources, nil)
}

// admit makes a job of a submission that keeps the rules.
func (s *Server) admit(sub Submission) (*Job, error) {
	r, err := parseRequest(sub.Resources)
	var sql sqlError
	switch {
	case errors.As(err, &sql):
		return nil, badSQL(err)
	case err != nil:
		return nil, oarsubFailed(died, err.Error()+"\n")
	}
	j := &Job{
		Name: sub.Name, User: sub.User, Project: sub.Project, Queue: sub.Queue, Types: sub.Types, script: sub.Command,
		Directory: sub.Directory, State: Waiting, Reservation: sub.Reservation != "", Submitted: s.clock.Now(),
		request: r, Walltime: r.walltime,
	}
	if sub.Command != "" {
		j.Command = fmt.Sprintf("./oarapi.subscript.%05d", s.nextID%100000)
	}
	if j.Project == "" {
		j.Project = "default"
	}
	if j.Directory == "" {
		j.Directory = "/home/" + j.User
	}
	if j.Queue == "" {
		j.Queue = "default"
		if j.Has("besteffort") {
			j.Queue = "besteffort"
		}
	}
	if j.Reservation {
		start, long, err := reservedTime(sub.Reservation, s.clock.Now())
		if err != nil {
			return nil, oarsubFailed(badDate, "[ERROR] "+err.Error()+"\n")
		}
		j.Scheduled = start
		if j.Walltime == 0 {
			j.Walltime = long
		}
	}
	if j.Walltime == 0 {
		j.Walltime = s.limits.DefaultWalltime
	}
	for _, rule := range rules {
		if message := rule(s, j, sub); message != "" {
			return nil, ruleDied(message)
		}
	}
	if !slices.Contains(s.limits.Queues, j.Queue) {
		return nil, oarsubFailed(noQueue, ruled+"ERROR : The queue "+j.Queue+" does not exist\n")
	}
	return j, s.exists(j, sub.Properties)
}

// exists checks that there are resources at all that match.
func (s *Server) exists(j *Job, properties string) error {
	j.Properties = effective(j, properties)
	var err error
	if j.condition, err = parseCondition(j.Properties); err != nil {
		return badSQL(err)
	}
	f := fitter{s.resources, func(place int) slots {
		if s.resources[place].State == Dead {
			return slots{}
		}
		return firstSlots(s.resources[place].Slots)
	}}
	all, ok := f.fit(j.request, j.condition)
	if !ok {
		return badRequest("There are not enough resources for your request")
	}
	for _, s := range all {
		j.asked += s.count()
	}
	return nil
}

// effective are a job's properties with what the rules add to them.
func effective(j *Job, properties string) string {
	var all []string
	if strings.TrimSpace(properties) != "" {
		all = append(all, "("+properties+")")
	}
	if j.Has("deploy") {
		all = append(all, "deploy = 'YES'")
	}
	if !j.Has("exotic") {
		all = append(all, "exotic = 'NO'")
	}
	if j.Queue == "production" {
		all = append(all, "production = 'YES'")
	} else if j.Queue != "admin" {
		all = append(all, "production = 'NO'")
	}
	return strings.Join(append(all, "maintenance = 'NO'"), " AND ")
}

// reserve gives a job the time that it asks for, for good, or says why not.
func (s *Server) reserve(j *Job) (reason string) {
	now, start := s.clock.Now(), j.Scheduled
	if start.Before(now.Add(-time.Minute)) {
		return "Reservation too old"
	}
	if start.Before(now) {
		start = now
	}
	spans := s.fixed(now)
	for _, other := range s.waiting() { // what runs next keeps its place
		if !other.Scheduled.IsZero() && !other.Scheduled.After(now) {
			spans = append(spans, span{now, now.Add(other.Walltime + security), other.taken, other})
		}
	}
	taken, ok := s.fits(j, spans, start)
	if !ok {
		if later, _, possible := s.earliest(j, spans, start); possible {
			return fmt.Sprintf("This reservation could run at %s", later.In(paris()).Format(time.DateTime))
		}
		return "This reservation cannot run"
	}
	j.take(s.resources, taken)
	j.Scheduled = start
	return ""
}
