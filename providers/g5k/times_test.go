package g5k

import (
	"testing"
	"time"

	"github.com/nixos-compose/nxc/providers/g5k/api"
)

func TestWalltimes(t *testing.T) {
	tests := map[string]string{
		"1h": "1:00:00", "1h30m": "1:30:00", "90m": "1:30:00", "2": "2:00:00", "2:30": "2:30:00", "0:00:45": "0:00:45", "30:00:00": "30:00:00",
		"": "", "soon": "", "1:2:3:4": "", "-1h": "", "0": "", "1:x": "",
	}
	for text, want := range tests {
		d, err := parseWalltime(text)
		got := ""
		if err == nil {
			got = oarWalltime(d)
		}
		if got != want {
			t.Errorf("%q: got %q (%v), want %q", text, got, err, want)
		}
	}
}

func TestDatesAreOfParis(t *testing.T) {
	tests := map[string]string{
		"2026-12-01 08:00":          "2026-12-01T07:00:00Z", // winter
		"2026-07-01 08:00:00":       "2026-07-01T06:00:00Z", // summer
		"2026-12-01T08:00:00+05:00": "2026-12-01T03:00:00Z",
		"tomorrow":                  "",
	}
	for text, want := range tests {
		at, err := parseDate("reservation", text)
		got := ""
		if err == nil {
			got = at.UTC().Format(time.RFC3339)
		}
		if got != want {
			t.Errorf("%q: got %q (%v), want %q", text, got, err, want)
		}
	}
}

func TestSoonest(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	hour := func(n int64) int64 { return now.Unix() + 3600*n }
	running := func(from, to int64) api.Reservation {
		return api.Reservation{StartedAt: hour(from), Walltime: 3600 * (to - from), Queue: "default"}
	}
	planned := func(from, to int64) api.Reservation {
		return api.Reservation{ScheduledAt: hour(from), Walltime: 3600 * (to - from), Queue: "default"}
	}
	status := &api.Status{At: now.Unix(), Nodes: map[string]api.NodeStatus{
		"a-1.x":  {Hard: "alive", FreeSlots: 8},
		"a-2.x":  {Hard: "standby", FreeSlots: 8, Reservations: []api.Reservation{planned(2, 4)}},
		"a-3.x":  {Hard: "alive", BusySlots: 8, Reservations: []api.Reservation{running(-1, 1)}},
		"a-10.x": {Hard: "alive", FreeableSlots: 8, Reservations: []api.Reservation{{StartedAt: hour(-1), Walltime: 36000, Queue: "besteffort"}}},
		"a-4.x":  {Hard: "dead", FreeSlots: 8},
	}}
	tests := map[string]struct {
		n     int
		hours int64
		at    int64
		never bool
		first string
	}{
		"free now":                     {n: 3, hours: 1, at: 0, first: "a-1.x"},
		"not for so long":              {n: 3, hours: 3, at: 1, first: "a-1.x"},
		"all, before somebody's turn":  {n: 4, hours: 1, at: 1},
		"all, after it":                {n: 4, hours: 2, at: 4},
		"more than can be had at all":  {n: 5, hours: 1, never: true},
		"one, without those to be had": {n: 1, hours: 100, at: 0, first: "a-1.x"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := soonest(status, tt.n, now, time.Duration(tt.hours)*time.Hour)
			if tt.never != w.at.IsZero() || !tt.never && w.at.Unix() != hour(tt.at) {
				t.Errorf("got %s, want in %d h", w.at.Sub(now), tt.at)
			}
			if tt.first != "" && (len(w.nodes) < tt.n || w.nodes[0] != tt.first) {
				t.Errorf("got %v", w.nodes)
			}
		})
	}
}

func TestEnds(t *testing.T) {
	at := time.Date(2026, 12, 1, 17, 30, 0, 0, time.UTC).Unix()
	tests := map[string]struct {
		job  api.Job
		want string
	}{
		"longer, deleted": {api.Job{State: "error", StoppedAt: at, Events: []api.Event{
			{Type: "WALLTIME", Description: " walltime changed: 0:30:0 (granted: +0:20:0/pending: 0:0:0)"}, {Type: "FRAG_JOB_REQUEST"}}}, "it was deleted at 18:30 on 1 December"},
		"walltime":  {api.Job{State: "error", StoppedAt: at, Events: []api.Event{{Type: "SEND_KILL_JOB", Description: "kill"}, {Type: "WALLTIME", Description: "[sarko] …"}}}, "its walltime ended at 18:30 on 1 December"},
		"deleted":   {api.Job{State: "error", Events: []api.Event{{Type: "FRAG_JOB_REQUEST", Description: "…"}, {Type: "SWITCH_INTO_ERROR_STATE", Description: "…"}}}, "it was deleted"},
		"failed":    {api.Job{State: "error", Events: []api.Event{{Type: "SERVER_PROLOGUE_TIMEOUT", Description: "prologue timed out"}}}, "it ended: prologue timed out"},
		"by itself": {api.Job{State: "terminated", StoppedAt: at}, "it ended at 18:30 on 1 December"},
	}
	for name, tt := range tests {
		if got := endOf(&tt.job); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}
