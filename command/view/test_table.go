package view

import (
	"fmt"
	"slices"
	"strings"
)

// Tests prints a table: a line a script, a column a deployment.
func (h *Human) Tests(list []TestOutcome) {
	if len(list) < 2 {
		return
	}
	var scripts, deployments []string
	for _, o := range list {
		if !slices.Contains(scripts, o.Script) {
			scripts = append(scripts, o.Script)
		}
		if !slices.Contains(deployments, o.Deployment) {
			deployments = append(deployments, o.Deployment)
		}
	}
	rows := [][]string{append([]string{""}, deployments...)}
	for _, script := range scripts {
		row := []string{script}
		for _, d := range deployments {
			row = append(row, cellOf(list, script, d))
		}
		rows = append(rows, row)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clear()
	fmt.Fprintln(h.o.Out)
	for _, row := range rows {
		var b strings.Builder
		for i, text := range row {
			width := 0
			for _, other := range rows {
				width = max(width, cells(other[i]))
			}
			b.WriteString(fill(text, width+3))
		}
		fmt.Fprintln(h.o.Out, strings.TrimRight(b.String(), " "))
	}
}

// cellOf sums up the runs of a script on a deployment.
func cellOf(list []TestOutcome, script, deployment string) string {
	passed, all := 0, 0
	var took float64
	var last string
	for _, o := range list {
		if o.Script != script || o.Deployment != deployment {
			continue
		}
		all++
		if o.Result != nil {
			took += o.Result.Elapsed.Seconds()
		}
		if o.Passed() {
			passed++
		}
		last = verdictOf(o.Result)
	}
	switch {
	case all == 0:
		return "-"
	case all == 1:
		return last + " " + Elapsed(took)
	}
	return fmt.Sprintf("%d of %d passed %s", passed, all, Elapsed(took))
}
