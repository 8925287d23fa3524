package oar

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// request is what a job asks for, in OAR's language:
// {type='kavlan'}/vlan=1+{cluster='dahu'}/nodes=2/core=4,walltime=1:30:00
type request struct {
	groups   []group
	walltime time.Duration // 0 when it does not say
}

// group is one hierarchy of a request; groups are joined by +.
type group struct {
	filter condition
	text   string // the filter as it was written
	levels []level
}

// level asks for a number of something within what the level above chose.
type level struct {
	property string
	count    int // all or best, or a number above 0
}

const (
	all  = -1 // every one there is
	best = -2 // as many as are free
)

// hierarchy are the properties that a level may name.
var hierarchy = map[string]string{
	"cluster": "cluster", "switch": "switch", "chassis": "chassis",
	"nodes": "host", "host": "host", "network_address": "host",
	"cpu": "cpu", "core": "core", "vlan": "vlan", "disk": "disk",
	"slash_16": "slash_16", "slash_17": "slash_17", "slash_18": "slash_18", "slash_19": "slash_19",
	"slash_20": "slash_20", "slash_21": "slash_21", "slash_22": "slash_22",
}

// parseRequest reads a request. The empty one asks for a node.
func parseRequest(text string) (request, error) {
	if strings.TrimSpace(text) == "" {
		text = "nodes=1"
	}
	var r request
	for _, part := range splitOutside(text, '+') {
		g, walltime, err := parseGroup(part)
		if err != nil {
			return r, err
		}
		if walltime > 0 {
			r.walltime = walltime
		}
		r.groups = append(r.groups, g)
	}
	return r, nil
}

// parseGroup reads one hierarchy, and the walltime behind it.
func parseGroup(text string) (g group, walltime time.Duration, err error) {
	g.filter = always
	if rest, ok := strings.CutPrefix(strings.TrimSpace(text), "{"); ok {
		filter, after, closed := strings.Cut(rest, "}")
		if !closed {
			return g, 0, unreadable(text)
		}
		if g.filter, err = parseCondition(filter); err != nil {
			return g, 0, sqlError{err}
		}
		g.text, text = filter, after
	}
	path, options, _ := strings.Cut(text, ",")
	for _, option := range strings.Split(options, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(option), "=")
		switch name {
		case "":
		case "walltime":
			if walltime, err = ParseWalltime(value); err != nil {
				return g, 0, unreadable("," + option)
			}
		default:
			return g, 0, unreadable("," + option)
		}
	}
	for _, step := range strings.Split(strings.Trim(strings.TrimSpace(path), "/"), "/") {
		l, err := parseLevel(step)
		if err != nil {
			return g, 0, err
		}
		g.levels = append(g.levels, l)
	}
	return g, walltime, nil
}

// How oarsub tells of what it cannot read: a step of a hierarchy, or the rest.
func notDescribed(step string) error {
	return fmt.Errorf(`/!\ Cannot recognize the resource description : %s`, step)
}

func unreadable(text string) error { return fmt.Errorf(`/!\ Cannot recognize -- %s -- resource`, text) }

func parseLevel(step string) (level, error) {
	name, value, ok := strings.Cut(strings.TrimSpace(step), "=")
	property, known := hierarchy[strings.TrimSpace(name)]
	switch {
	case !ok:
		return level{}, notDescribed(step)
	case !known:
		return level{}, noColumn(strings.TrimSpace(name))
	}
	switch strings.TrimSpace(value) {
	case "ALL":
		return level{property, all}, nil
	case "BEST":
		return level{property, best}, nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(value))
	if err != nil || n < 1 {
		return level{}, notDescribed(step)
	}
	return level{property, n}, nil
}

// splitOutside splits at a separator that is not inside braces or quotes.
func splitOutside(text string, separator byte) []string {
	var parts []string
	depth, quoted, start := 0, false, 0
	for i := range len(text) {
		switch c := text[i]; {
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '{':
			depth++
		case c == '}':
			depth--
		case c == separator && depth == 0:
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	return append(parts, text[start:])
}

// ParseWalltime reads H, H:M or H:M:S; the hours may be a fraction.
func ParseWalltime(text string) (time.Duration, error) {
	parts := strings.Split(strings.TrimSpace(text), ":")
	var total float64
	for i, part := range parts {
		n, err := strconv.ParseFloat(part, 64)
		if err != nil || n < 0 || i > 2 {
			return 0, fmt.Errorf("bad walltime format (%s): it is hours, hours:minutes or hours:minutes:seconds", text)
		}
		total += n * []float64{3600, 60, 1}[i]
	}
	return time.Duration(total) * time.Second, nil
}

// FormatWalltime writes hours:minutes:seconds as OAR does.
func FormatWalltime(d time.Duration) string {
	s := int(d / time.Second)
	return fmt.Sprintf("%d:%d:%d", s/3600, s/60%60, s%60)
}

// FormatChange writes by how much a walltime changes, as OAR does.
func FormatChange(d time.Duration) string {
	switch {
	case d > 0:
		return "+" + FormatWalltime(d)
	case d < 0:
		return "-" + FormatWalltime(-d)
	}
	return FormatWalltime(0)
}
