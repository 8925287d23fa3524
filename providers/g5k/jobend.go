package g5k

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/providers/g5k/api"
)

// endOf says in a few words why a job ended. A walltime that expires and a
// deletion both leave the state error, and are none: the events tell.
func endOf(j *api.Job) string {
	at := ""
	if j.StoppedAt > 0 {
		at = " at " + time.Unix(j.StoppedAt, 0).In(paris()).Format("15:04 on 2 January")
	}
	// A walltime that is changed leaves an event of the same type.
	changed := func(e api.Event) bool { return e.Type == "WALLTIME" && strings.Contains(e.Description, "changed") }
	var trouble string
	why := map[string]string{
		"WALLTIME":         "its walltime ended" + at,
		"BESTEFFORT_KILL":  "a job with precedence took its nodes" + at,
		"FRAG_JOB_REQUEST": "it was deleted" + at,
	}
	for _, known := range []string{"WALLTIME", "BESTEFFORT_KILL", "FRAG_JOB_REQUEST"} {
		if slices.ContainsFunc(j.Events, func(e api.Event) bool { return e.Type == known && !changed(e) }) {
			return why[known]
		}
	}
	for _, e := range j.Events {
		if tellsOfTrouble(e.Type) && !changed(e) && e.Description != "" {
			trouble = e.Description
		}
	}
	switch {
	case trouble != "":
		return "it ended" + at + ": " + trouble
	case j.State == "terminated", j.State == "finishing":
		return "it ended" + at
	case j.Message != "":
		return "it failed" + at + ": " + j.Message
	}
	return "it failed" + at
}

// tellsOfTrouble tells events that explain an end from those that only go with
// a job's life.
func tellsOfTrouble(event string) bool {
	for _, begin := range []string{"SWITCH_INTO_", "SEND_KILL_JOB", "ADM_RULES", "USER_", "CHECKPOINT", "WALLTIME_REQUEST", "MAIL_", "RESUME", "STOP_SIGNAL"} {
		if strings.HasPrefix(event, begin) {
			return false
		}
	}
	return true
}

// endedEarly is the error of a job that ended while it was waited for.
func endedEarly(j *api.Job, want *Job) error {
	return sdk.Error(fmt.Sprintf("Job %d ended before it was ready", j.UID),
		fmt.Sprintf("At %s, %s. nxc apply submits another.", want.Site, endOf(j)))
}

// refusedJob says what OAR does not like about a job, at the attribute that it
// is about.
func refusedJob(err error, want *Job) error {
	message, refused := api.Refusal(err)
	if !refused || api.Is(err, http.StatusUnauthorized) {
		return explain(err, fmt.Sprintf("submit a job at %s", want.Site))
	}
	lower := strings.ToLower(message)
	about := func(attribute, summary, remedy string) error {
		return sdk.AttributeError(attribute, summary, said(err)+" "+remedy)
	}
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(lower, w) {
				return true
			}
		}
		return false
	}
	switch {
	case api.Missing(err):
		return about("site", fmt.Sprintf("There is no site %q", want.Site), "")
	case has("reservation too old"):
		return about("reservation", "The reservation is in the past", "Give a date to come, in the time of Paris.")
	case has("reservation not valid"):
		return about("reservation", "The reservation is not possible at that time", "Take the time that it names, or leave reservation out and let the job wait for its turn.")
	case has("not enough resources", "no enough resources"):
		return about(want.amount(), fmt.Sprintf("%s does not have what is asked for", want.Site),
			"Ask for fewer nodes, another cluster or other properties; data g5k_status tells what there is.")
	case has("walltime"):
		return about("walltime", "OAR refuses the walltime", "See the usage policy of the queue for what is allowed at that time.")
	case has("quota", "usage policy", "charte"):
		return sdk.Error("The job is beyond what you may use", said(err)+" See https://www.grid5000.fr/w/Grid5000:UsagePolicy, and usagepolicycheck on the site's frontend.")
	case has("maintenance"):
		return sdk.Error(fmt.Sprintf("There is a maintenance at %s", want.Site), said(err)+" Take another site or time.")
	case has("unknown job type", "job type"):
		return about("types", "OAR does not know a type of the job", "Look at types for what was mistyped.")
	case has("queue"):
		return about("queue", "OAR refuses the queue", "Leave it out, or take one in which you may submit.")
	case has("propert", "sql", "syntax", "bad resource request", "cannot recognize"):
		return about(want.condition(), "OAR does not understand what the nodes must be like", "It is a WHERE clause of SQL, such as memnode >= 131072.")
	}
	return sdk.Error("OAR refuses the job", said(err))
}

// amount is the attribute that says how much.
func (w *Job) amount() string {
	if w.Resources != "" {
		return "resources"
	}
	return "nodes"
}

// condition is the attribute that says what the nodes must be like.
func (w *Job) condition() string {
	if w.Properties == "" && w.Resources != "" {
		return "resources"
	}
	return "properties"
}

// refusedWalltime says why a job cannot be extended.
func refusedWalltime(err error, want *Job) error {
	if _, refused := api.Refusal(err); !refused {
		return explain(err, fmt.Sprintf("extend job %d at %s", want.UID, want.Site))
	}
	return sdk.AttributeError("walltime", fmt.Sprintf("Job %d cannot be extended", want.UID),
		said(err)+" The job goes on as it is. Keep the walltime that it has, or replace it (nxc apply -replace).")
}

// notGranted says that OAR let a wish for a longer walltime pass.
func notGranted(j *api.Job, change *api.Walltime, want *Job) error {
	now := time.Duration(j.Walltime) * time.Second
	return sdk.AttributeError("walltime", fmt.Sprintf("OAR did not extend job %d", want.UID),
		fmt.Sprintf("It has %s, and OAR says that %s is possible: others wait for its nodes, or the policy does not allow more. The job goes on as it is.", span(now), orNothing(change.Possible)))
}

func orNothing(text string) string {
	if noChange(text) {
		return "nothing"
	}
	return text
}

// noSuchJob says that an existing job cannot be used.
func noSuchJob(err error, want *Job) error {
	if api.Missing(err) {
		return sdk.AttributeError("existing", fmt.Sprintf("There is no job %d at %s", want.Existing, want.Site),
			"oarstat -u lists yours on the site's frontend. Is it of another site?")
	}
	return explain(err, fmt.Sprintf("read job %d at %s", want.Existing, want.Site))
}
