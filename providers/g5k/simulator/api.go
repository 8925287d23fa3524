package simulator

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/nixos-compose/nxc/providers/g5k/simulator/oar"
	"github.com/nixos-compose/nxc/providers/g5k/simulator/platform"
)

// The media types of the API.
const (
	itemType       = "application/vnd.grid5000.item+json"
	collectionType = "application/vnd.grid5000.collection+json"
)

// object is a JSON object of an answer.
type object = platform.Object

// failure is an answer that is no success. Its text goes out as it is.
type failure struct {
	status int
	text   string
}

func (f failure) Error() string { return f.text }

func notFound(format string, args ...any) error {
	return failure{http.StatusNotFound, fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) error {
	return failure{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// forbidden is what the API says to who is not allowed.
var forbidden = failure{http.StatusForbidden, "You are not authorized to access this resource"}

// request is a request with what is known of it.
type request struct {
	*http.Request
	version string // stable, 3.0, sid
	user    string // "" is an anonymous one
	w       http.ResponseWriter
}

// href is the path of something, as links say it.
func (r *request) href(path ...string) string {
	return "/" + strings.Join(append([]string{r.version}, path...), "/")
}

// absolute is the URL of something, as Location says it.
func (r *request) absolute(path ...string) string { return "http://" + r.Host + r.href(path...) }

// link is one entry of links.
func (r *request) link(rel, kind string, path ...string) object {
	return object{"rel": rel, "href": r.href(path...), "type": kind}
}

// handler serves the API and, beside it, what makes faults.
func (s *Simulator) handler() http.Handler {
	mux := http.NewServeMux()
	for _, version := range []string{"stable", "3.0", "sid"} {
		s.routes(mux, version)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { answerText(w, http.StatusNotFound, "Not Found") })
	api := s.faulty(mux)
	outer := http.NewServeMux()
	outer.Handle("/", api)
	s.controls(outer)
	return outer
}

// routes are the API's paths. Those that the description does not have are the
// firewall's and the storage's.
func (s *Simulator) routes(mux *http.ServeMux, version string) {
	handle := func(pattern string, do func(*request) error) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" /"+version+path, func(w http.ResponseWriter, hr *http.Request) {
			s.serve(&request{Request: hr, version: version, w: w}, do)
		})
	}
	at := func(do func(*request, *site) error) func(*request) error {
		return func(r *request) error {
			t := s.sites[r.PathValue("site")]
			if t == nil {
				return notFound("Cannot find resource /sites/%s", r.PathValue("site"))
			}
			return do(r, t)
		}
	}
	handle("GET /{$}", s.getRoot)
	handle("GET /accesses", s.getAccesses)
	handle("GET /refrepo", s.getRefrepo)
	handle("GET /versions", s.listVersions)
	handle("GET /versions/latest", s.latestVersion)
	handle("GET /versions/{version}", s.getVersion)
	handle("GET /sites", s.listSites)
	handle("GET /sites/{site}", at(s.getSite))
	handle("GET /sites/{site}/versions", at(func(r *request, _ *site) error { return s.listVersions(r) }))
	handle("GET /sites/{site}/versions/latest", at(func(r *request, _ *site) error { return s.latestVersion(r) }))
	handle("GET /sites/{site}/versions/{version}", at(func(r *request, _ *site) error { return s.getVersion(r) }))
	handle("GET /sites/{site}/status", at(s.getStatus))
	handle("GET /sites/{site}/clusters", at(s.listClusters))
	handle("GET /sites/{site}/clusters/{cluster}", at(s.getCluster))
	handle("GET /sites/{site}/clusters/{cluster}/status", at(s.getStatus))
	handle("GET /sites/{site}/clusters/{cluster}/nodes", at(s.listNodes))
	handle("GET /sites/{site}/clusters/{cluster}/nodes/{node}", at(s.getNode))
	for _, kind := range []string{"servers", "pdus", "network_equipments"} {
		handle("GET /sites/{site}/"+kind, at(s.listOthers))
		handle("GET /sites/{site}/"+kind+"/{other}", at(s.getOther))
	}
	handle("GET /sites/{site}/jobs", at(s.listJobs))
	handle("POST /sites/{site}/jobs", at(s.postJob))
	handle("GET /sites/{site}/jobs/{job}", at(s.getJob))
	handle("DELETE /sites/{site}/jobs/{job}", at(s.deleteJob))
	handle("GET /sites/{site}/jobs/{job}/walltime", at(s.getWalltime))
	handle("POST /sites/{site}/jobs/{job}/walltime", at(s.postWalltime))
	handle("GET /sites/{site}/deployments", at(s.listDeployments))
	handle("POST /sites/{site}/deployments", at(s.postDeployment))
	handle("GET /sites/{site}/deployments/{deployment}", at(s.getDeployment))
	handle("DELETE /sites/{site}/deployments/{deployment}", at(s.deleteDeployment))
	handle("GET /sites/{site}/environments", at(s.listEnvironments))
	handle("GET /sites/{site}/environments/{environment}", at(s.getEnvironment))
	handle("GET /sites/{site}/vlans", at(s.listVlans))
	handle("GET /sites/{site}/vlans/users", at(s.listVlanUsers))
	handle("GET /sites/{site}/vlans/nodes", at(s.listVlanNodes))
	handle("POST /sites/{site}/vlans/nodes", at(s.askVlanNodes))
	handle("GET /sites/{site}/vlans/{vlan}", at(s.getVlan))
	handle("PUT /sites/{site}/vlans/{vlan}/dhcpd", at(s.putDHCP))
	handle("GET /sites/{site}/vlans/{vlan}/{what}", at(s.getOfVlan))
	handle("GET /sites/{site}/vlans/{vlan}/users/{user}", at(s.getUserOfVlan))
	handle("POST /sites/{site}/vlans/{vlan}/nodes", at(s.postNodesOfVlan))
	handle("GET /sites/{site}/firewall", at(s.listFirewall))
	handle("GET /sites/{site}/firewall/{job}", at(s.getFirewall))
	handle("POST /sites/{site}/firewall/{job}", at(s.postFirewall))
	handle("DELETE /sites/{site}/firewall/{job}", at(s.deleteFirewall))
	handle("GET /sites/{site}/storage/home/{user}/access", at(s.getAccess))
	handle("POST /sites/{site}/storage/home/{user}/access", at(s.postAccess))
	handle("DELETE /sites/{site}/storage/home/{user}/access/{entry}", at(s.deleteAccess))
}

// serve answers one request of the API: who asks, what is due, the answer.
func (s *Simulator) serve(r *request, do func(*request) error) {
	user, ok := s.authenticate(r.Request)
	if !ok {
		r.w.Header().Set("WWW-Authenticate", `Basic realm="Grid'5000 API"`)
		answerHTML(r.w, http.StatusUnauthorized, "Unauthorized", "This server could not verify that you are authorized to access the document requested.")
		return
	}
	r.user = user
	s.clock.Settle()
	r.w.Header().Set("Date", s.clock.Now().UTC().Format(http.TimeFormat))
	err := do(r)
	var f failure
	switch {
	case err == nil:
	case errors.As(err, &f):
		answerText(r.w, f.status, f.text)
	default:
		answerText(r.w, http.StatusInternalServerError, err.Error())
	}
}

// authenticate tells who asks. Inside, machines are known by their address and
// everybody is the user.
func (s *Simulator) authenticate(r *http.Request) (string, bool) {
	user, password, given := r.BasicAuth()
	switch {
	case s.options.Password == "" && !given:
		return s.options.User, true
	case s.options.Password == "":
		return user, true
	}
	return user, given && user == s.options.User && password == s.options.Password
}

// owned reports a failure unless the asker may change what a user has.
func (r *request) owned(user string) error {
	if r.user == "" || r.user == "anonymous" || r.user != user {
		return forbidden
	}
	return nil
}

// item answers with one thing.
func (r *request) item(status int, o any) error { return r.answer(status, itemType, o) }

// answer answers with JSON of the API's own media type, or as plain JSON to who
// asks for that.
func (r *request) answer(status int, kind string, o any) error {
	if strings.HasPrefix(r.Header.Get("Accept"), "application/json") {
		kind = "application/json"
	}
	return answerJSON(r.w, status, kind, o)
}

// collection answers with many: the part of items that the query asks for.
func (r *request) collection(items []any, links ...object) error {
	return r.answer(http.StatusOK, collectionType, object{"total": len(items), "offset": 0, "items": orEmpty(items), "links": links})
}

// paged answers with a page of many things.
func (r *request) paged(total int, item func(int) any, links ...object) error {
	offset := max(number(r.FormValue("offset"), 0), 0)
	limit := min(number(r.FormValue("limit"), 50), 500)
	items := []any{}
	for i := offset; i < min(total, offset+limit); i++ {
		items = append(items, item(i))
	}
	return r.answer(http.StatusOK, collectionType, object{"total": total, "offset": offset, "items": items, "links": links})
}

func orEmpty(items []any) []any {
	if items == nil {
		return []any{}
	}
	return items
}

func number(text string, otherwise int) int {
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return otherwise
}

func answerJSON(w http.ResponseWriter, status int, kind string, o any) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", kind+"; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text)
	return nil
}

func answerText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

// answerHTML is how the proxy before the API says no.
func answerHTML(w http.ResponseWriter, status int, title, text string) {
	page := fmt.Sprintf("<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><head>\n<title>%d %s</title>\n</head><body>\n<h1>%s</h1>\n<p>%s</p>\n</body></html>\n", status, title, title, text)
	w.Header().Set("Content-Type", "text/html; charset=iso-8859-1")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(page))
}

// cached says for how long an answer may be kept.
func (r *request) cached() { r.w.Header().Set("Cache-Control", "max-age=60, public") }

// wrap tells OAR's refusal as the API does.
func (s *Simulator) wrap(t *site, path string, err error) error {
	var refusal oar.Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	status := refusal.Code
	if !slices.Contains([]int{400, 401, 403, 404}, status) {
		status = http.StatusInternalServerError
	}
	return failure{status, fmt.Sprintf("Request to https://api.grid5000.fr/stable/sites/%s/internal/oarapi/%s failed with status %d: %s", t.Name, path, refusal.Code, refusal.Error())}
}

// decode reads a body of JSON, or of a form, into a value.
func (r *request) decode(into any) error {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return r.decodeForm(into)
	}
	d := json.NewDecoder(http.MaxBytesReader(r.w, r.Body, 1<<20))
	if err := d.Decode(into); err != nil {
		return badRequest("There was a problem in the JSON you submitted: %v", err)
	}
	return nil
}

// decodeForm reads a form: NAME=VALUE, and NAME[]=VALUE for lists.
func (r *request) decodeForm(into any) error {
	if err := r.ParseForm(); err != nil {
		return badRequest("%v", err)
	}
	o := object{}
	for name, values := range r.PostForm {
		if list, ok := strings.CutSuffix(name, "[]"); ok {
			o[list] = values
		} else if len(values) > 0 {
			o[name] = values[0]
		}
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return badRequest("%v", err)
	}
	return nil
}
