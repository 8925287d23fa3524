package oar

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// State is a job's state, as OAR spells it.
type State string

// A job's states. One whose walltime is over, and one that was deleted, ends
// in Error: that is OAR's way, and no failure.
const (
	Waiting    State = "Waiting"
	Hold       State = "Hold"
	ToLaunch   State = "toLaunch"
	ToError    State = "toError"
	ToAck      State = "toAckReservation"
	Launching  State = "Launching"
	Running    State = "Running"
	Finishing  State = "Finishing"
	Terminated State = "Terminated"
	Error      State = "Error"
)

// Over reports whether a job in the state has ended.
func (s State) Over() bool { return s == Terminated || s == Error }

// Ends reports whether a job in the state has ended, or does so in a moment,
// whatever anybody does.
func (s State) Ends() bool { return s.Over() || s == Finishing || s == ToError }

// Job is a job. What OAR's users see of it is exported.
type Job struct {
	ID          int
	Name        string
	User        string
	Project     string
	Queue       string
	Types       []string
	Command     string // a file that OAR's interface made of what it was given
	Directory   string
	Properties  string
	Message     string
	State       State
	Reservation bool // it asked for its start
	Walltime    time.Duration
	Submitted   time.Time
	Scheduled   time.Time // when it will start, as far as is known; zero when that is not
	Started     time.Time
	Stopped     time.Time
	ExitCode    *int
	Events      []Event

	// What it has, or will have as far as is known.
	Nodes   []string
	Cores   []string // NODE/CORE
	Vlans   []string
	Subnets []string
	Disks   []string

	request   request
	condition condition
	taken     allocation
	change    change
	timers    timers
	script    string // what it runs
	asked     int    // for so many slots of resources
	deletion  bool   // was asked for, by its user or by OAR
	ending    bool   // it is on its way to its end
}

// Event is something that happened to a job.
type Event struct {
	ID          int
	Type        string
	At          time.Time
	Description string
}

// Has reports whether the job has a type: "deploy", or "inner" for "inner=12".
func (j *Job) Has(kind string) bool {
	return slices.ContainsFunc(j.Types, func(t string) bool {
		name, _, _ := strings.Cut(t, "=")
		return name == kind
	})
}

// snapshot is a copy that the caller may keep.
func (j *Job) snapshot() Job {
	c := *j
	c.Types = slices.Clone(j.Types)
	c.Events = slices.Clone(j.Events)
	c.timers, c.taken, c.condition = timers{}, nil, nil
	return c
}

// take notes what the job has.
func (j *Job) take(resources []*Resource, taken allocation) {
	j.taken = taken
	j.Nodes, j.Cores, j.Vlans, j.Subnets, j.Disks = nil, nil, nil, nil, nil
	for _, place := range taken.places() {
		r := resources[place]
		switch r.Kind {
		case "default":
			j.Nodes = append(j.Nodes, r.Name)
			for _, core := range taken[place].list() {
				j.Cores = append(j.Cores, fmt.Sprintf("%s/%d", r.Name, core))
			}
		case "subnet":
			j.Subnets = append(j.Subnets, r.Name)
		case "disk":
			j.Disks = append(j.Disks, r.Name)
		default:
			j.Vlans = append(j.Vlans, r.Name)
		}
	}
}

// describe is what oarsub says of a job that it took.
func (j *Job) describe() string {
	kind := "B"
	if j.Reservation {
		kind = "R"
	}
	text := fmt.Sprintf("R=%d,W=%s,J=%s", j.asked, FormatWalltime(j.Walltime), kind)
	if j.Name != "" {
		text += ",N=" + j.Name
	}
	if j.Queue != "default" {
		text += ",Q=" + j.Queue
	}
	if len(j.Types) > 0 {
		text += ",T=" + strings.Join(j.Types, "|")
	}
	return text
}

// placed is what the scheduler makes of that.
func (j *Job) placed() string { return j.describe() + " (Karma=0.000,quota_ok)" }
