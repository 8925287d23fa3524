package nix

import "strings"

// EventKind says what an Event is about.
type EventKind string

// The kinds of events, and which of Event's fields they fill.
const (
	// EventPreparing: Text says what the embedded nixpkgs is being made of.
	EventPreparing EventKind = "preparing"
	// EventEvaluating: Name is the file that Nix reads, as seen from the
	// composition's folder, Text its path, Done how many files Nix has read.
	EventEvaluating EventKind = "evaluating"
	// EventDownloading: Name is what is fetched, Done and Expected are bytes.
	EventDownloading EventKind = "downloading"
	// EventBuilding: Name's build begins; Done of Expected builds are finished.
	EventBuilding EventKind = "building"
	// EventBuilt: Name's build has ended; Done of Expected builds are finished.
	EventBuilt EventKind = "built"
	// EventFailed: Name's build has failed; other builds go on.
	EventFailed EventKind = "failed"
	// EventSubstituting: Name is copied from a binary cache; Done of Expected
	// copies are finished.
	EventSubstituting EventKind = "substituting"
	// EventSubstituted: Name's copy has ended.
	EventSubstituted EventKind = "substituted"
	// EventCopying: Name is copied to or from the machine that builds, as one of
	// Expected of which Done are finished; or, without Name, Text says what will be.
	EventCopying EventKind = "copying"
	// EventWaiting: Text says what Nix waits for, such as another Nix.
	EventWaiting EventKind = "waiting"
	// EventPhase: Name's build entered the phase Text.
	EventPhase EventKind = "phase"
	// EventLog: Text is a line that Name's build, or the evaluation, wrote.
	EventLog EventKind = "log"
	// EventWarning: Text is a warning of Nix's.
	EventWarning EventKind = "warning"
	// EventDone: the whole operation has ended well; Done is how many things it
	// evaluated or built.
	EventDone EventKind = "done"
)

// Event is one step of something that takes time.
type Event struct {
	Kind           EventKind
	Name           string // what it is about, as a person calls it
	Drv            string // the derivation of a build
	Done, Expected int    // Expected is 0 while it is not known
	Text           string
}

// emitter calls progress, which may be nil.
type emitter func(Event)

func (f emitter) emit(e Event) {
	if f != nil {
		f(e)
	}
}

// storeName returns what a person calls a store path or derivation: the name
// behind the hash, without ".drv".
func storeName(path string) string {
	name := path[strings.LastIndexByte(path, '/')+1:]
	if len(name) > 33 && name[32] == '-' {
		name = name[33:]
	}
	return strings.TrimSuffix(name, ".drv")
}
