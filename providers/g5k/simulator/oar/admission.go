package oar

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Limits are what the admission rules allow. The zero value has the defaults.
type Limits struct {
	DefaultWalltime time.Duration // an hour
	MaxWalltime     time.Duration // a week
	Jobs            int           // of a user that have not ended; 50
	Queues          []string
}

func (l Limits) orDefaults() Limits {
	if l.DefaultWalltime == 0 {
		l.DefaultWalltime = time.Hour
	}
	if l.MaxWalltime == 0 {
		l.MaxWalltime = 7 * 24 * time.Hour
	}
	if l.Jobs == 0 {
		l.Jobs = 50
	}
	if l.Queues == nil {
		l.Queues = []string{"admin", "besteffort", "default", "production"}
	}
	return l
}

// jobTypes are those that the rules know, some with a value.
var jobTypes = []string{
	"allow_classic_ssh", "besteffort", "container", "cosystem", "day", "deploy", "destructive", "exotic", "idempotent",
	"inner", "monitor", "night", "noop", "placeholder", "allowed", "timesharing", "set_placeholder", "use_placeholder",
}

// rules are the admission rules, in the order in which they look at a job.
// Each returns what it has against the job.
var rules = []func(*Server, *Job, Submission) string{
	knownTypes,
	adminsOnly,
	commandGiven,
	boundedWalltime,
	besteffortDates,
	boundedJobs,
}

func knownTypes(_ *Server, j *Job, _ Submission) string {
	for _, t := range j.Types {
		name, _, _ := strings.Cut(t, "=")
		if !slices.Contains(jobTypes, name) {
			return "unknown job type: " + t
		}
	}
	return ""
}

func adminsOnly(_ *Server, j *Job, _ Submission) string {
	if j.Queue == "admin" && j.User != "root" {
		return "only administrators may submit into the queue admin"
	}
	return ""
}

func commandGiven(_ *Server, j *Job, _ Submission) string {
	if j.script == "" && !j.Reservation {
		return "a job that is no reservation needs a command"
	}
	return ""
}

func boundedWalltime(s *Server, j *Job, _ Submission) string {
	if j.Walltime > s.limits.MaxWalltime {
		return fmt.Sprintf("walltime %s is more than the %s that a job may have", FormatWalltime(j.Walltime), FormatWalltime(s.limits.MaxWalltime))
	}
	if j.Walltime < time.Second {
		return "walltime is too short"
	}
	return ""
}

func besteffortDates(_ *Server, j *Job, _ Submission) string {
	if j.Reservation && j.Has("besteffort") {
		return "a job of type besteffort cannot be a reservation"
	}
	return ""
}

func boundedJobs(s *Server, j *Job, _ Submission) string {
	n := 0
	for _, other := range s.jobs {
		if other.User == j.User && !other.State.Over() {
			n++
		}
	}
	if n >= s.limits.Jobs {
		return fmt.Sprintf("quota: %s has %d jobs that have not ended, and %d are allowed", j.User, n, s.limits.Jobs)
	}
	return ""
}
