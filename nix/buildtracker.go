package nix

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// buildTracker turns the log of builds into events, and remembers what failed.
type buildTracker struct {
	running map[uint64]*activity
	logs    map[string][]string // the last lines of each derivation's builder
	failed  []*BuildError       // in the order in which they failed

	// Newer versions say why a build failed only after it stopped, but have
	// counted it before.
	counted   [2]int64        // builds that were done, and that failed
	lastFails bool            // the last one that was counted failed
	explained map[string]bool // what errors were about so far

	done, expected     int // builds
	copied, toBeCopied int // paths from binary caches
}

// activity is something that Nix is doing.
type activity struct {
	kind int
	path string // the derivation or store path it is about
}

// observe takes one line of Nix's log.
func (t *buildTracker) observe(e logEntry, progress emitter) {
	switch {
	case e.Action == "start":
		t.start(e, progress)
	case e.Action == "stop":
		t.stop(e, progress)
	case e.Action == "result":
		t.result(e, progress)
	case e.isError():
		t.failure(e)
	case e.Action == "msg" && plannedPattern.MatchString(e.Message):
		t.plan(e.Message)
	case e.Action == "msg" && strings.HasPrefix(e.Message, "waiting for "):
		progress.emit(Event{Kind: EventWaiting, Text: e.Message})
	case e.Action == "msg" && e.Level <= levelWarn:
		progress.emit(Event{Kind: EventWarning, Text: strings.TrimPrefix(e.Message, "warning: ")})
	}
}

// plannedPattern is what Nix says before it begins.
var plannedPattern = regexp.MustCompile(`^(?:this|these) (?:([0-9]+) )?(?:derivations?|paths?) will be (built|fetched)`)

// plan takes how much there is to do. What Nix reports on its way also counts
// what is there already, and takes off what failed.
func (t *buildTracker) plan(message string) {
	match := plannedPattern.FindStringSubmatch(message)
	number := 1
	if match[1] != "" {
		number, _ = strconv.Atoi(match[1])
	}
	if match[2] == "built" {
		t.expected = number
	} else {
		t.toBeCopied = number
	}
}

func (t *buildTracker) start(e logEntry, progress emitter) {
	if t.running == nil {
		t.running = map[uint64]*activity{}
		t.logs = map[string][]string{}
	}
	switch e.Type {
	case activityBuild, activitySubstitute, activityFileTransfer, activityBuilds, activityCopyPaths:
		t.running[e.ID] = &activity{kind: e.Type, path: e.str(0)}
	}
	switch e.Type {
	case activityBuild:
		progress.emit(t.build(EventBuilding, e.str(0)))
	case activitySubstitute:
		progress.emit(t.substitution(EventSubstituting, e.str(0)))
	case activityFileTransfer:
		progress.emit(Event{Kind: EventDownloading, Name: e.str(0)})
	case activityBuildWaiting:
		progress.emit(Event{Kind: EventWaiting, Text: e.Text})
	}
}

func (t *buildTracker) stop(e logEntry, progress emitter) {
	a := t.running[e.ID]
	if a == nil {
		return
	}
	delete(t.running, e.ID)
	switch a.kind {
	case activityBuild:
		kind := EventBuilt
		if t.hasFailed(a.path) || t.lastFails && int(t.counted[1]) > len(t.explained) {
			kind = EventFailed
		}
		t.done++
		progress.emit(t.build(kind, a.path))
	case activitySubstitute:
		t.copied++
		progress.emit(t.substitution(EventSubstituted, a.path))
	}
}

// build is an event about a derivation.
func (t *buildTracker) build(kind EventKind, drv string) Event {
	return Event{Kind: kind, Name: storeName(drv), Drv: drv, Done: t.done, Expected: t.expected}
}

// substitution is an event about a path that comes from a binary cache.
func (t *buildTracker) substitution(kind EventKind, path string) Event {
	return Event{Kind: kind, Name: storeName(path), Done: t.copied, Expected: t.toBeCopied}
}

// result takes what an activity reports. Numbers mean what the activity is
// about: builds, paths or bytes.
func (t *buildTracker) result(e logEntry, progress emitter) {
	a := t.running[e.ID]
	if a == nil {
		return
	}
	switch {
	case e.Type == resultBuildLogLine && a.kind == activityBuild:
		line := strings.TrimRight(stripColour(e.str(0)), "\r\n")
		t.logs[a.path] = appendTail(t.logs[a.path], line)
		event := t.build(EventLog, a.path)
		event.Text = line
		progress.emit(event)
	case e.Type == resultPhase && a.kind == activityBuild:
		event := t.build(EventPhase, a.path)
		event.Text = e.str(0)
		progress.emit(event)
	case e.Type == resultProgress && a.kind == activityBuilds:
		t.count([2]int64{e.num(0), e.num(3)})
		if t.expected == 0 {
			t.expected = int(e.num(1))
		}
	case e.Type == resultProgress && a.kind == activityCopyPaths && t.toBeCopied == 0:
		t.toBeCopied = int(e.num(1))
	case e.Type == resultProgress && a.kind == activityFileTransfer:
		progress.emit(Event{Kind: EventDownloading, Name: a.path, Done: int(e.num(0)), Expected: int(e.num(1))})
	}
}

// count takes how many builds were done and how many failed.
func (t *buildTracker) count(counted [2]int64) {
	if counted != t.counted {
		t.lastFails = counted[1] > t.counted[1]
		t.counted = counted
	}
}

var (
	// failedPattern finds the derivation that an error is about, in the words
	// of Nix up to 2.29 and since.
	failedPattern = regexp.MustCompile(`(?:builder for|[Cc]annot build|output for|in fixed-output derivation|required to build|while setting up the build environment for|derivation|build of) '([^']+\.drv)'`)

	// consequencePattern is an error that only says that another one happened.
	consequencePattern = regexp.MustCompile(`dependenc(?:y|ies) of derivation '|dependenc(?:y|ies) failed|^build of '?.* failed$|^some (?:builds|outputs)|Build failed due to failed dependency`)
)

// failure remembers one error of Nix's.
func (t *buildTracker) failure(e logEntry) {
	text := e.errorText()
	match := failedPattern.FindStringSubmatch(text)
	if t.explained == nil {
		t.explained = map[string]bool{}
	}
	if match == nil {
		t.explained[text] = true
		return // the command's own error will show it
	}
	t.explained[match[1]] = true
	if consequencePattern.MatchString(text) {
		return
	}
	if t.hasFailed(match[1]) {
		return
	}
	t.failed = append(t.failed, &BuildError{
		Drv:     match[1],
		Name:    storeName(match[1]),
		Reason:  reason(text, match[1]),
		LogTail: quotedLog(text),
	})
}

func (t *buildTracker) hasFailed(drv string) bool {
	return slices.ContainsFunc(t.failed, func(f *BuildError) bool { return f.Drv == drv })
}

// quotedLog returns the lines of the builder's log that an error quotes.
func quotedLog(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if quoted, ok := strings.CutPrefix(strings.TrimSpace(line), "> "); ok {
			lines = append(lines, quoted)
		}
	}
	return lines
}

// reason is what an error says beyond the derivation's name and the log, which
// the BuildError itself carries.
func reason(text, drv string) string {
	text, _, _ = strings.Cut(text, ";\n")
	for _, end := range []string{"\n       last ", "\nlast ", "\nLast ", "\n       Last "} {
		text, _, _ = strings.Cut(text, end)
	}
	if why := foreign(text); why != "" {
		return why
	}
	if _, why, ok := strings.Cut(text, "Reason: "); ok {
		text, _, _ = strings.Cut(why, "\n")
		text = strings.TrimPrefix(text, "builder ")
	}
	text = strings.TrimSpace(strings.TrimPrefix(text, "builder for '"+drv+"' "))
	return strings.TrimSuffix(text, ".")
}

// What Nix says of a build for another kind of machine, or for one that can do
// more, up to 2.29 and since.
var (
	foreignPattern = regexp.MustCompile(`^a '([^']*)' with features \{([^}]*)\} is required to build '[^']*', but I am a '([^']*)'`)
	neededPattern  = regexp.MustCompile(`Required system: '([^']*)'(?: with features \{([^}]*)\})?`)
	herePattern    = regexp.MustCompile(`Current system: '([^']*)'`)
	wantedPattern  = regexp.MustCompile(`Required features: \{([^}]*)\}`)
)

// foreign says which machine a build needs that Nix does not know; "" if that
// is not why it failed.
func foreign(text string) string {
	var needed, wanted, here string
	if match := foreignPattern.FindStringSubmatch(text); match != nil {
		needed, wanted, here = match[1], match[2], match[3]
	} else {
		if match := neededPattern.FindStringSubmatch(text); match != nil {
			needed, wanted = match[1], match[2]
		}
		if match := wantedPattern.FindStringSubmatch(text); match != nil {
			wanted = match[1]
		}
		if match := herePattern.FindStringSubmatch(text); match != nil {
			here = match[1]
		}
	}
	switch {
	case needed != "":
		return fmt.Sprintf("it needs a machine of type %s%s, and Nix knows none: this one is %s; see \"remote builds\" and \"extra-platforms\" in Nix's manual",
			needed, features(wanted), here)
	case wanted != "":
		return fmt.Sprintf("it needs a machine%s, and Nix knows none; see \"remote builds\" and \"system-features\" in Nix's manual", features(wanted))
	}
	return ""
}

func features(list string) string {
	if list == "" {
		return ""
	}
	return " with " + list
}

// failures returns the builds that failed, with their logs.
func (t *buildTracker) failures() []*BuildError {
	for _, f := range t.failed {
		if log := t.logs[f.Drv]; len(log) > 0 {
			f.LogTail = log
		}
	}
	return t.failed
}
