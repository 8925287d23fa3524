package oar

import (
	"encoding/json"
	"fmt"
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
	e.SetIndent("", "   ")
	_ = e.Encode(r) // three plain fields: it cannot fail
	return text.String()
}

// The two ways in which oarsub fails: what it refuses itself is the request's
// fault, and a rule that dies is the server's.
func badRequest(message string) Refusal {
	return Refusal{400, "Bad query", "[ADMISSION RULE] Modify resource description with type constraints\n" + message + "\nOAR_JOB_ID=-5\n" + failed}
}

func ruleDied(message string) Refusal {
	return Refusal{500, "Oar server error", "[ADMISSION RULE] Error: " + message + "\nOAR_JOB_ID=-2\n" + failed}
}

// failed is how oarsub ends when it has no job.
const failed = "Oarsub failed: please verify your request syntax or ask for support to your admin.\n"

// notReserved is what oarsub says of a reservation that it does not get.
func notReserved(reason string) Refusal {
	return Refusal{400, "Bad query", "# Reservation not valid --> KO" + reason + "\n"}
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
	if j.Reservation {
		if err := s.reserve(j, sub.Reservation); err != nil {
			return Job{}, err
		}
	}
	j.ID = s.nextID
	s.nextID++
	s.jobs = append(s.jobs, j)
	s.schedule(passDelay)
	return j.snapshot(), nil
}

// admit makes a job of a submission that keeps the rules.
func (s *Server) admit(sub Submission) (*Job, error) {
	r, err := parseRequest(sub.Resources)
	if err != nil {
		return nil, badRequest(err.Error())
	}
	j := &Job{
		Name: sub.Name, User: sub.User, Project: sub.Project, Queue: sub.Queue, Types: sub.Types, Command: sub.Command,
		Directory: sub.Directory, State: Waiting, Reservation: sub.Reservation != "", Submitted: s.clock.Now(),
		request: r, Walltime: r.walltime,
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
	if j.Walltime == 0 && j.Reservation {
		if j.Walltime, err = reservedTime(sub.Reservation, s.clock.Now()); err != nil {
			return nil, badRequest(err.Error())
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
	return j, s.exists(j, sub.Properties)
}

// exists checks that there are resources at all that match.
func (s *Server) exists(j *Job, properties string) error {
	j.Properties = effective(j, properties)
	var err error
	if j.condition, err = parseCondition(j.Properties); err != nil {
		return badRequest("bad resource request: " + err.Error())
	}
	f := fitter{s.resources, func(place int) slots {
		if s.resources[place].State == Dead {
			return slots{}
		}
		return firstSlots(s.resources[place].Slots)
	}}
	if _, ok := f.fit(j.request, j.condition); !ok {
		return badRequest("There are not enough resources for your request")
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

// reserve gives a job the time that it asks for, for good.
func (s *Server) reserve(j *Job, text string) error {
	now := s.clock.Now()
	start, _, err := parseReservation(text, now)
	if err != nil {
		return badRequest(err.Error())
	}
	if start.Before(now.Add(-time.Minute)) {
		return notReserved(" (Reservation too old)")
	}
	if start.Before(now) {
		start = now
	}
	spans := s.fixed(now)
	for _, other := range s.waiting() { // what runs next keeps its place
		if !other.Scheduled.IsZero() && !other.Scheduled.After(now) {
			spans = append(spans, span{now, now.Add(other.Walltime + overtime), other.taken, other})
		}
	}
	taken, ok := s.fits(j, spans, start)
	if !ok {
		reason := ""
		if later, _, possible := s.earliest(j, spans, start); possible {
			reason = fmt.Sprintf(" (This reservation could run at %s)", later.In(paris()).Format(time.DateTime))
		}
		return notReserved(reason)
	}
	j.take(s.resources, taken)
	j.Scheduled = start
	j.Message = j.describe()
	return nil
}
