package realoar_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/nixos-compose/nxc/providers/g5k/api"
)

// TestTraces plays each scenario on a real OAR and on the simulator, through
// nxc's client, and wants the same to be seen.
func TestTraces(t *testing.T) {
	oar, sim := theReal(t), theSimulator(t)
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			want, got := play(t, oar, s), play(t, sim, s)
			if text, differ := beside(want, got); differ {
				t.Errorf("OAR and the simulator differ:\n%s", text)
			} else {
				t.Logf("the same on OAR and the simulator:\n%s", text)
			}
		})
	}
}

func play(t *testing.T, w *world, s scenario) []string {
	p := &player{world: w, t: t}
	defer p.leave()
	s.play(p)
	p.sum()
	return p.trace
}

// beside writes two traces beside each other.
func beside(want, got []string) (text string, differ bool) {
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for i := range max(len(want), len(got)) {
		a, b := at(want, i), at(got, i)
		if a == b {
			fmt.Fprintf(table, "  both\t%s\n", a)
			continue
		}
		differ = true
		fmt.Fprintf(table, "- OAR\t%s\n+ simulator\t%s\n", a, b)
	}
	_ = table.Flush()
	return b.String(), differ
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return ""
}

var (
	dates   = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)
	scripts = regexp.MustCompile(`oarapi\.subscript\.\w+`)
	numbers = regexp.MustCompile(`\b\d+\b`)
)

// normal takes out of a text what no two runs have in common. Of an answer that
// carries JSON the order of its members counts for nothing.
func normal(text string) string {
	if at := strings.Index(text, "{"); at >= 0 {
		var o map[string]any
		if json.Unmarshal([]byte(text[at:]), &o) == nil {
			text = text[:at] + fmt.Sprint(o)
		}
	}
	text = scripts.ReplaceAllString(dates.ReplaceAllString(text, "DATE"), "SCRIPT")
	return numbers.ReplaceAllString(strings.ReplaceAll(text, "\n", " | "), "N")
}

func asFailure(err error, f **api.Failure) bool { return errors.As(err, f) }

// raw sends a request as it is, and notes what comes back.
func (p *player) raw(what, method, path string, body any) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			p.t.Fatal(err)
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.base+"/sites/"+site+"/jobs"+path, content)
	if err != nil {
		p.t.Fatal(err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	p.note("%s: %d %s", what, response.StatusCode, normal(strings.TrimSpace(string(text))))
}

type scenario struct {
	name string
	play func(*player)
}

var scenarios = []scenario{
	{"runs to its end", func(p *player) {
		for _, command := range []string{"sleep 5", "false"} {
			j := p.submit(api.Submission{Resources: "nodes=1,walltime=0:5", Command: command})
			p.note("submitted: %s, walltime %d, command %s, %s", j.State, j.Walltime, scripts.ReplaceAllString(j.Command, "SCRIPT"), told(j))
			j = p.over(j.UID)
			p.note("the name finds it: %t", p.named(j.Name) == j.UID)
			p.exitCode(j.UID)
		}
	}},
	{"walltime expires", func(p *player) {
		for _, types := range [][]string{nil, {"deploy"}} {
			j := p.submit(api.Submission{Resources: "nodes=2,walltime=0:0:20", Types: types})
			j = p.over(j.UID)
			had := j.StoppedAt - j.StartedAt
			p.note("it had %s", about(had, 20, 120))
			p.exitCode(j.UID)
			p.raw("deletion after that", http.MethodDelete, fmt.Sprintf("/%d", j.UID), nil)
		}
	}},
	{"deleted while it runs", func(p *player) {
		j := p.submit(api.Submission{Resources: "nodes=1,walltime=1"})
		p.running(j.UID)
		p.raw("deletion", http.MethodDelete, fmt.Sprintf("/%d", j.UID), nil)
		p.raw("and again", http.MethodDelete, fmt.Sprintf("/%d", j.UID), nil)
		p.over(j.UID)
	}},
	{"deleted while it waits", func(p *player) {
		p.running(p.submit(api.Submission{Resources: "nodes=3,walltime=1"}).UID)
		j := p.submit(api.Submission{Resources: "nodes=1,walltime=1"})
		p.scheduled(j.UID)
		p.remove(j.UID)
		p.over(j.UID)
	}},
	{"deleted after its end", func(p *player) {
		j := p.over(p.submit(api.Submission{Resources: "nodes=1,walltime=1", Command: "true"}).UID)
		p.raw("deletion", http.MethodDelete, fmt.Sprintf("/%d", j.UID), nil)
		p.raw("and again", http.MethodDelete, fmt.Sprintf("/%d", j.UID), nil)
		p.raw("deletion of none", http.MethodGet, "/999999999", nil)
	}},
	{"refusals", func(p *player) {
		for _, s := range []api.Submission{
			{Resources: "nodes=99"},
			{Resources: "nodes=1", Types: []string{"warp"}},
			{Resources: "nodes=1", Queue: "fast"},
			{Resources: "nodes=some"},
			{Resources: "people=1"},
			{Resources: "nodes=1,walltime=long"},
			{Resources: "nodes=1", Properties: "colour='red'"},
			{Resources: "nodes=1", Properties: "cluster='nowhere'"},
			{Resources: "nodes=1", Reservation: "tomorrow"},
		} {
			p.submit(s)
		}
	}},
	{"reservation in the past", func(p *player) {
		p.submit(api.Submission{Resources: "nodes=1,walltime=0:5", Name: "nxc-past", Reservation: "2025-07-01 11:00:00"})
		p.what("nxc-past")
	}},
	{"reservation that does not fit", func(p *player) {
		first := p.running(p.submit(api.Submission{Resources: "nodes=3,walltime=0:10"}).UID)
		at := p.now().Add(time.Minute)
		_, err := p.client.Submit(p.t.Context(), site, api.Submission{Resources: "nodes=1,walltime=0:5", Name: "nxc-full", Reservation: paris(at)})
		if err == nil {
			p.t.Fatalf("%s: a reservation of what is taken", p.name)
		}
		p.refused("submission", err)
		if later := dates.FindString(err.Error()); later != "" {
			free := first.StartedAt + first.Walltime
			p.note("could run %s after the other's walltime", about(fromParis(p.t, later)-free, 60, 120))
		}
		p.what("nxc-full")
	}},
	{"reservation in the future", func(p *player) {
		at := p.now().Add(75 * time.Second).Truncate(time.Second)
		j := p.submit(api.Submission{Resources: "nodes=1,walltime=0:5", Reservation: paris(at), Command: "sleep 3"})
		p.note("submitted: %s, %s", j.State, told(j))
		j = p.until(j.UID, "scheduled", 2*time.Minute, func(j *api.Job) bool { return j.ScheduledAt > 0 })
		p.note("scheduled at its date: %t", j.ScheduledAt == at.Unix())
		j = p.over(j.UID)
		p.note("started %s after its date", about(j.StartedAt-at.Unix(), 0, 120)) // at OAR's next pass, each minute
	}},
	{"two want the same", func(p *player) {
		first := p.running(p.submit(api.Submission{Resources: "nodes=3,walltime=0:10"}).UID)
		second := p.scheduled(p.submit(api.Submission{Resources: "nodes=1,walltime=1"}).UID)
		p.note("the second is %s, %s, predicted %s after the first's walltime", second.State, told(second),
			about(second.ScheduledAt-first.StartedAt-first.Walltime, 60, 62))
		third := p.scheduled(p.submit(api.Submission{Resources: "nodes=3,walltime=1"}).UID)
		p.note("the third is predicted %s after the second's walltime", about(third.ScheduledAt-second.ScheduledAt-second.Walltime, 60, 62))
		p.remove(third.UID)
		p.over(third.UID)
		p.remove(first.UID)
		p.running(second.UID)
	}},
	{"more walltime", func(p *player) {
		j := p.submit(api.Submission{Resources: "nodes=3,walltime=0:10"})
		at := fmt.Sprintf("/%d/walltime", j.UID)
		p.running(j.UID)
		p.walltime(j.UID)
		if err := p.client.SetWalltime(p.t.Context(), site, j.UID, "0:30:00"); err != nil {
			p.refused("walltime", err)
		}
		j = p.until(j.UID, "longer", 3*time.Minute, func(j *api.Job) bool { return j.Walltime == 1800 })
		p.walltime(j.UID)
		other := p.submit(api.Submission{Resources: "nodes=1,walltime=1"})
		p.scheduled(other.UID)
		p.raw("more than there is room for", http.MethodPost, at, map[string]any{"walltime": "+1:00"})
		p.wait(8 * time.Second) // OAR looks at it, and lets it be
		p.walltime(j.UID)
		p.raw("the same", http.MethodPost, at, map[string]any{"walltime": "0:30"})
		p.raw("nonsense", http.MethodPost, at, map[string]any{"walltime": "long"})
		p.raw("of a job that waits", http.MethodPost, fmt.Sprintf("/%d/walltime", other.UID), map[string]any{"walltime": "2:00"})
		p.raw("less", http.MethodPost, at, map[string]any{"walltime": "-0:5"})
		p.until(j.UID, "shorter", 3*time.Minute, func(j *api.Job) bool { return j.Walltime == 1500 })
		p.walltime(j.UID)
		p.remove(other.UID)
		p.over(other.UID)
	}},
}

// named finds a job by its name.
func (p *player) named(name string) int64 {
	j, err := p.client.JobNamed(p.t.Context(), site, name)
	if err != nil {
		p.t.Fatal(err)
	}
	if j == nil {
		return 0
	}
	return j.UID
}

// what notes what a name finds, once that has come to rest.
func (p *player) what(name string) {
	uid := p.named(name)
	if uid == 0 {
		p.note("%s finds nothing", name)
		return
	}
	j := p.until(uid, "over", 3*time.Minute, (*api.Job).Over)
	p.note("%s finds a job: %s, started %t, %s, %d events", name, j.State, j.StartedAt != 0, normal(j.Message), len(j.Events))
}

// scheduled waits until the start of a job is predicted, and its message tells.
func (p *player) scheduled(uid int64) *api.Job {
	return p.until(uid, "scheduled", 2*time.Minute, func(j *api.Job) bool { return j.ScheduledAt > 0 && strings.Contains(j.Message, "Karma") })
}

func (p *player) exitCode(uid int64) {
	r, err := http.Get(fmt.Sprintf("%s/sites/%s/jobs/%d", p.base, site, uid))
	if err != nil {
		p.t.Fatal(err)
	}
	defer r.Body.Close()
	var seen map[string]any
	if err := json.NewDecoder(r.Body).Decode(&seen); err != nil {
		p.t.Fatal(err)
	}
	p.note("exit code %v, mode %v, directory %v", seen["exit_code"], seen["mode"], seen["directory"])
}

func (p *player) walltime(uid int64) {
	w, err := p.client.JobWalltime(p.t.Context(), site, uid)
	if err != nil {
		p.t.Fatal(err)
	}
	p.note("walltime %s, possible %s, granted %s, pending %s", w.Walltime, w.Possible, w.Granted, w.Pending)
}

func (p *player) wait(d time.Duration) {
	for end := p.now().Add(d); p.now().Before(end); p.pass() {
	}
}

var amounts = regexp.MustCompile(`^R=\d+`)

// told is a job's message without the number of resources: nodes have as many
// as their site gave them.
func told(j *api.Job) string { return amounts.ReplaceAllString(j.Message, "R=N") }

// about says of a number of seconds that it is within bounds, or what it is.
func about(seconds, least, most int64) string {
	if seconds < least || seconds > most {
		return fmt.Sprintf("%d s", seconds)
	}
	return fmt.Sprintf("%d to %d s", least, most)
}

func zone() *time.Location {
	z, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		panic(err) // the simulator compiles the zones in
	}
	return z
}

func paris(at time.Time) string { return at.In(zone()).Format(time.DateTime) }

func fromParis(t *testing.T, text string) int64 {
	at, err := time.ParseInLocation(time.DateTime, text, zone())
	if err != nil {
		t.Fatal(err)
	}
	return at.Unix()
}
