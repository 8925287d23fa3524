package realoar

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Gateway is Grid'5000's interface for jobs as one user sees it from inside: it
// reads the database and hands what changes something to OAR's own interface,
// as the real one does.
type Gateway struct {
	oar  *OAR
	user string
	http *http.Client
}

// NewGateway returns the gateway of a user.
func NewGateway(o *OAR, user string) *Gateway {
	return &Gateway{oar: o, user: user, http: &http.Client{Transport: &http.Transport{DialContext: o.Dial, DisableKeepAlives: true}}}
}

// Handler serves it below /stable.
func (g *Gateway) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /stable/sites", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, object{"total": 1, "offset": 0, "items": []object{{"uid": "grenoble", "name": "Grenoble"}}})
	})
	mux.HandleFunc("GET /stable/sites/{site}/jobs", g.list)
	mux.HandleFunc("POST /stable/sites/{site}/jobs", g.submit)
	mux.HandleFunc("GET /stable/sites/{site}/jobs/{job}", g.show)
	mux.HandleFunc("DELETE /stable/sites/{site}/jobs/{job}", g.remove)
	mux.HandleFunc("GET /stable/sites/{site}/jobs/{job}/walltime", g.walltime)
	mux.HandleFunc("POST /stable/sites/{site}/jobs/{job}/walltime", g.changeWalltime)
	return mux
}

type object = map[string]any

// query tells a job as the interface does: nothing that is null.
const query = `select coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(t))), '[]') from (
	select j.job_id as uid, j.job_user as user, j.job_user as user_uid, nullif(j.job_name, '') as name, j.project, j.queue_name as queue,
		lower(j.state) as state, j.job_type as mode, j.command, j.submission_time as submitted_at, j.start_time as started_at,
		nullif(j.stop_time, 0) as stopped_at, j.message, j.exit_code, j.properties, j.launching_directory as directory,
		m.moldable_walltime as walltime, nullif(g.start_time, 0) as scheduled_at,
		coalesce((select jsonb_agg(type order by job_type_id) from job_types where job_id = j.job_id), '[]') as types,
		coalesce((select jsonb_agg(jsonb_build_object('uid', event_id, 'created_at', date, 'type', type, 'description', description)
			order by event_id) from event_logs where job_id = j.job_id), '[]') as events,
		coalesce((select jsonb_agg(distinct r.network_address) from resources r where r.resource_id in (
			select resource_id from assigned_resources a where a.moldable_job_id = m.moldable_id
			union select resource_id from gantt_jobs_resources x where x.moldable_job_id = m.moldable_id)), '[]') as assigned_nodes
	from jobs j left join moldable_job_descriptions m on m.moldable_job_id = j.job_id
		left join gantt_jobs_predictions g on g.moldable_job_id = m.moldable_id
	where %s order by j.submission_time desc, j.job_id desc) t`

func (g *Gateway) jobs(where string) ([]object, error) {
	text, err := g.oar.Ask(fmt.Sprintf(query, where))
	if err != nil {
		return nil, err
	}
	var jobs []object
	if err := json.Unmarshal([]byte(text), &jobs); err != nil {
		return nil, fmt.Errorf("OAR's database answered %q: %w", text, err)
	}
	return jobs, nil
}

func (g *Gateway) list(w http.ResponseWriter, r *http.Request) {
	jobs, err := g.jobs("true")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	jobs = slices.DeleteFunc(jobs, func(j object) bool { return !selected(r, j) })
	offset := min(max(number(r.FormValue("offset"), 0), 0), len(jobs))
	limit := min(number(r.FormValue("limit"), 50), 500)
	page := jobs[offset:min(len(jobs), offset+limit)]
	for _, j := range page {
		delete(j, "assigned_nodes")
	}
	answer(w, http.StatusOK, object{"total": len(jobs), "offset": offset, "items": page})
}

// selected applies a listing's filters. States that OAR spells with a small
// first letter cannot be named: the interface capitalises what it is given.
func selected(r *http.Request, j object) bool {
	for _, name := range []string{"user", "name", "project", "queue"} {
		if want := r.FormValue(name); want != "" && want != j[name] {
			return false
		}
	}
	states := r.FormValue("state")
	return states == "" || slices.ContainsFunc(strings.Split(states, ","), func(state string) bool {
		state = strings.ToLower(strings.TrimSpace(state))
		return state == j["state"] && !strings.HasPrefix(state, "to")
	})
}

func number(text string, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return otherwise
}

// job answers with one job.
func (g *Gateway) job(w http.ResponseWriter, status int, id string) {
	jobs, err := g.jobs("j.job_id = " + strconv.Itoa(number(id, 0)))
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	case len(jobs) == 0:
		http.Error(w, fmt.Sprintf("Couldn't find OAR::Job with 'job_id'=%s", id), http.StatusNotFound)
	default:
		answer(w, status, jobs[0])
	}
}

func (g *Gateway) show(w http.ResponseWriter, r *http.Request) {
	g.job(w, http.StatusOK, r.PathValue("job"))
}

// submit hands a job on under the names that OAR's interface has for its parts.
func (g *Gateway) submit(w http.ResponseWriter, r *http.Request) {
	var asked object
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	job := object{}
	for theirs, ours := range map[string]string{
		"resources": "resource", "command": "script", "reservation": "reservation", "properties": "property", "types": "type",
		"queue": "queue", "directory": "directory", "name": "name", "project": "project", "stdout": "stdout", "stderr": "stderr",
	} {
		if value, ok := asked[theirs]; ok {
			job[ours] = value
		}
	}
	var made struct{ ID json.Number }
	if g.hand(w, r, http.MethodPost, "jobs.json", job, &made) {
		g.job(w, http.StatusCreated, made.ID.String())
	}
}

func (g *Gateway) remove(w http.ResponseWriter, r *http.Request) {
	if g.hand(w, r, http.MethodDelete, "jobs/"+r.PathValue("job")+".json", nil, &object{}) {
		w.WriteHeader(http.StatusAccepted)
	}
}

func (g *Gateway) walltime(w http.ResponseWriter, r *http.Request) {
	var details struct {
		Change object `json:"walltime-change"`
	}
	if g.hand(w, r, http.MethodGet, "jobs/"+r.PathValue("job")+"/details.json", nil, &details) {
		details.Change["uid"] = number(r.PathValue("job"), 0)
		answer(w, http.StatusOK, details.Change)
	}
}

// changeWalltime is the one place where OAR's message is all of the answer.
func (g *Gateway) changeWalltime(w http.ResponseWriter, r *http.Request) {
	var asked object
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	asked["method"] = "walltime-change"
	status, text, err := g.send(r.Context(), http.MethodPost, "jobs/"+r.PathValue("job")+".json", asked)
	var said struct {
		Message string
		Output  string `json:"cmd_output"`
	}
	if err == nil {
		err = json.Unmarshal(text, &said)
	}
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	case status < 300:
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, said.Output)
	default:
		w.WriteHeader(status)
		_, _ = io.WriteString(w, said.Message)
	}
}

// hand hands something to OAR, and its refusal back. It reports whether OAR did
// it.
func (g *Gateway) hand(w http.ResponseWriter, r *http.Request, method, path string, body, into any) bool {
	status, text, err := g.send(r.Context(), method, path, body)
	if err == nil && status < 300 {
		err = json.Unmarshal(text, into)
	}
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	case status >= 300:
		outward := status
		if !slices.Contains([]int{400, 401, 403, 404}, status) {
			outward = http.StatusInternalServerError
		}
		w.WriteHeader(outward)
		_, _ = fmt.Fprintf(w, "Request to https://api.grid5000.fr/stable/sites/%s/internal/oarapi/%s failed with status %d: %s", r.PathValue("site"), path, status, text)
	default:
		return true
	}
	return false
}

// send asks OAR's interface.
func (g *Gateway) send(ctx context.Context, method, path string, body any) (int, []byte, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://127.0.0.1:6668/oarapi/"+path, content)
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("X-Remote-Ident", g.user)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	response, err := g.http.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, text, err
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}
