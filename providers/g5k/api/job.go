package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Job is a job of OAR's. Times are seconds since 1970, 0 when there is none.
type Job struct {
	UID           int64            `json:"uid"`
	User          string           `json:"user"`
	UserUID       string           `json:"user_uid"`
	Name          string           `json:"name"`
	Walltime      int64            `json:"walltime"`
	Queue         string           `json:"queue"`
	State         string           `json:"state"`
	Project       string           `json:"project"`
	Types         []string         `json:"types"`
	Command       string           `json:"command"`
	Properties    string           `json:"properties"`
	Message       string           `json:"message"`
	SubmittedAt   int64            `json:"submitted_at"`
	ScheduledAt   int64            `json:"scheduled_at"`
	StartedAt     int64            `json:"started_at"`
	StoppedAt     int64            `json:"stopped_at"`
	Events        []Event          `json:"events"`
	AssignedNodes []string         `json:"assigned_nodes"`
	ByType        map[string]words `json:"resources_by_type"`
}

// words are a list of names or numbers.
type words []string

func (w *words) UnmarshalJSON(text []byte) error {
	var list []any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&list); err != nil {
		return err
	}
	for _, one := range list {
		*w = append(*w, fmt.Sprint(one))
	}
	return nil
}

// Event is something that happened to a job.
type Event struct {
	UID         int64  `json:"uid"`
	Type        string `json:"type"`
	Description string `json:"description"`
	CreatedAt   int64  `json:"created_at"`
}

// Submission asks for a job.
type Submission struct {
	Name        string   `json:"name,omitempty"`
	Resources   string   `json:"resources"`
	Command     string   `json:"command,omitempty"`
	Types       []string `json:"types,omitempty"`
	Properties  string   `json:"properties,omitempty"`
	Reservation string   `json:"reservation,omitempty"`
	Queue       string   `json:"queue,omitempty"`
	Project     string   `json:"project,omitempty"`
	Directory   string   `json:"directory,omitempty"`
	Stdout      string   `json:"stdout,omitempty"`
	Stderr      string   `json:"stderr,omitempty"`
}

// Ended reports whether the job has come to its end, or is about to.
func (j *Job) Ended() bool {
	return slices.Contains([]string{"finishing", "terminated", "error", "toerror"}, j.State)
}

// Over reports whether OAR has finished with the job: its nodes are free.
func (j *Job) Over() bool { return j.State == "terminated" || j.State == "error" }

// Running reports whether the job has its nodes.
func (j *Job) Running() bool { return j.State == "running" || j.State == "suspended" }

// Owner is who submitted it.
func (j *Job) Owner() string {
	if j.UserUID != "" {
		return j.UserUID
	}
	return j.User
}

// unfinished are the states of jobs that exist, as a listing's filter takes
// them. Those in between, such as toLaunch, it cannot name.
const unfinished = "waiting,hold,launching,running,suspended,resuming,finishing"

func jobs(site string) string { return "/sites/" + url.PathEscape(site) + "/jobs" }

// Job reads one job.
func (c *Client) Job(ctx context.Context, site string, uid int64) (*Job, error) {
	var j Job
	if err := c.get(ctx, fmt.Sprintf("%s/%d", jobs(site), uid), nil, &j); err != nil {
		return nil, err
	}
	return &j, nil
}

// Jobs lists the user's jobs that have not ended, as they were a moment ago,
// and perhaps some that have.
func (c *Client) Jobs(ctx context.Context, site string) ([]Job, error) {
	list, err := all[Job](ctx, c, jobs(site), url.Values{"user": {c.user}, "state": {unfinished}})
	if err != nil {
		return nil, err
	}
	// States that no filter can name last for seconds: whoever is in one of
	// them is among the newest.
	var newest collection[Job]
	if err := c.get(ctx, jobs(site), url.Values{"user": {c.user}, "limit": {"100"}}, &newest); err != nil {
		return nil, err
	}
	known := map[int64]bool{}
	for _, j := range list {
		known[j.UID] = true
	}
	for _, j := range newest.Items {
		if !known[j.UID] && !j.Ended() {
			list = append(list, j)
		}
	}
	return list, nil
}

// JobNamed finds the user's newest job with a name, whether it has ended or
// not; nil when there is none, or none that can be seen yet.
func (c *Client) JobNamed(ctx context.Context, site, name string) (*Job, error) {
	list, err := all[Job](ctx, c, jobs(site), url.Values{"user": {c.user}, "name": {name}})
	if err != nil {
		return nil, err
	}
	var found *Job
	for i := range list {
		if list[i].Name == name && (found == nil || found.UID < list[i].UID) {
			found = &list[i]
		}
	}
	return found, nil
}

// Submit asks for a job whose name nobody else uses. When the answer is lost
// it is looked for by that name, for as long as answers may be old, before it
// is asked for again.
func (c *Client) Submit(ctx context.Context, site string, s Submission) (*Job, error) {
	const tries = 3
	for n := 1; ; n++ {
		var j Job
		err := c.post(ctx, jobs(site), s, &j)
		if err == nil && j.UID != 0 {
			return &j, nil
		}
		if err != nil && !Uncertain(err) {
			return nil, err
		}
		c.tell(ctx, "looking whether the job was submitted: the answer was lost")
		var found *Job
		_, lookErr := c.Settle(ctx, func() (bool, error) {
			var err error
			found, err = c.JobNamed(ctx, site, s.Name)
			return found != nil, err
		})
		switch {
		case found != nil:
			return found, nil
		case lookErr != nil:
			return nil, fmt.Errorf("look for job %s, whose submission was not answered: %w", s.Name, lookErr)
		case n == tries && err == nil:
			return nil, fmt.Errorf("submit job %s: %d answers without a number", s.Name, tries)
		case n == tries:
			return nil, err
		}
	}
}

// DeleteJob asks OAR to end a job. One that has ended is fine.
func (c *Client) DeleteJob(ctx context.Context, site string, uid int64) error {
	err := c.change(ctx, http.MethodDelete, fmt.Sprintf("%s/%d", jobs(site), uid), nil)
	if Missing(err) {
		return nil
	}
	if message, ok := Refusal(err); ok && (strings.Contains(message, "already killed") || strings.Contains(message, "already terminated") || strings.Contains(message, "is already")) {
		return nil
	}
	return err
}

// Walltime is what OAR says about changes of a job's walltime.
type Walltime struct {
	Walltime string `json:"walltime"`
	Possible string `json:"possible"`
	Pending  string `json:"pending"`
	Granted  string `json:"granted"`
}

// SetWalltime asks for another walltime: as it is to be in all, hh:mm:ss.
func (c *Client) SetWalltime(ctx context.Context, site string, uid int64, walltime string) error {
	return c.change(ctx, http.MethodPost, fmt.Sprintf("%s/%d/walltime", jobs(site), uid), map[string]any{"walltime": walltime})
}

// JobWalltime reads what became of such a wish.
func (c *Client) JobWalltime(ctx context.Context, site string, uid int64) (*Walltime, error) {
	var w Walltime
	if err := c.get(ctx, fmt.Sprintf("%s/%d/walltime", jobs(site), uid), nil, &w); err != nil {
		return nil, err
	}
	return &w, nil
}
