package oar

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// change is what was asked for of a job's walltime, and what it got.
type change struct {
	asked            bool // for one, once
	pending, granted time.Duration
	whole            bool // all of it or nothing
}

// WalltimeChange is how a job's walltime stands.
type WalltimeChange struct {
	Walltime, Granted, Pending time.Duration
	Whole                      bool
	Possible                   bool // only a job that runs can have another
}

// Walltime tells how a running job's walltime stands.
func (s *Server) Walltime(id int) (WalltimeChange, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.find(id)
	if j == nil {
		return WalltimeChange{}, Refusal{404, "Not Found", fmt.Sprintf("Job id '%d' cannot be found.", id)}
	}
	return WalltimeChange{j.Walltime, j.change.granted, j.change.pending, j.change.whole, j.State == Running}, nil
}

// ChangeWalltime asks for another walltime: +H:M for more, -H:M for less, H:M
// for exactly that. The scheduler looks at it at its next pass, and says no by
// leaving it pending.
func (s *Server) ChangeWalltime(id int, user, text string, whole bool) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.find(id)
	if j == nil {
		return "", Refusal{404, "Not Found", fmt.Sprintf("Job id '%d' cannot be found.", id)}
	}
	if user != j.User && user != "root" {
		return "", Refusal{403, "Forbidden", fmt.Sprintf("Job %d does not belong to you", id)}
	}
	if j.State != Running || j.ending {
		return "", Refusal{403, "Forbidden", fmt.Sprintf("Job %d is not running", id)}
	}
	delta, err := j.delta(text)
	switch {
	case err != nil:
		return "", Refusal{400, "Bad request", "Syntax error"}
	case delta == 0:
		return "", Refusal{400, "Bad request", "Walltime change is null"}
	case j.Walltime+delta > s.limits.MaxWalltime:
		return "", Refusal{403, "Forbidden", "Request cannot be accepted because the walltime cannot increase by more than " + FormatWalltime(s.limits.MaxWalltime-j.Walltime)}
	}
	what := "accepted"
	if j.change.asked {
		what = "updated"
	}
	j.change.asked, j.change.pending, j.change.whole = true, delta, whole
	s.schedule(passDelay)
	return fmt.Sprintf("Walltime change request %s for job %d, it will be handled shortly", what, id), nil
}

// delta is by how much a text asks to change a job's walltime.
func (j *Job) delta(text string) (time.Duration, error) {
	length := strings.TrimLeft(text, "+-")
	delta, err := ParseWalltime(length)
	switch {
	case err != nil || strings.ContainsAny(length, ". ") || len(text)-len(length) > 1:
		return 0, errors.New("syntax error")
	case strings.HasPrefix(text, "+"):
		return delta, nil
	case strings.HasPrefix(text, "-"):
		return -delta, nil
	}
	return delta - j.Walltime, nil
}

// changes grants what was asked for as far as it moves no other job.
func (s *Server) changes() {
	for _, j := range s.jobs {
		if j.State != Running || j.ending || j.change.pending == 0 {
			continue
		}
		granted := min(j.change.pending, s.room(j))
		if j.change.whole && granted < j.change.pending || granted == 0 {
			continue
		}
		j.change.pending -= granted
		j.change.granted += granted
		j.Walltime = max(j.Walltime+granted, s.clock.Now().Sub(j.Started))
		s.event(j, "WALLTIME", fmt.Sprintf(" walltime changed: %s (granted: %s/pending: %s)", FormatWalltime(j.Walltime), FormatChange(granted), FormatChange(j.change.pending)))
		s.untilWalltime(j)
	}
}

// room is by how much a job may grow before the next job needs what it has.
func (s *Server) room(j *Job) time.Duration {
	room := s.limits.MaxWalltime
	end := j.Started.Add(j.Walltime + security)
	for _, other := range s.jobs {
		if other == j || other.State != Waiting || other.Scheduled.IsZero() || other.Has("besteffort") {
			continue
		}
		for place, taken := range j.taken {
			if other.taken[place].and(taken) != (slots{}) {
				room = min(room, max(other.Scheduled.Sub(end), 0))
				break
			}
		}
	}
	return room
}
