package nix

import (
	"cmp"
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// readKind says what an evaluation learnt from a path.
type readKind string

// The kinds of reads; trace.nix writes them, and the log of copies adds trees.
const (
	readImport readKind = "import" // the file, or a folder's default.nix, and where it really lies
	readFile   readKind = "file"   // the file's content
	readList   readKind = "list"   // the folder's entries and their types
	readExists readKind = "exists" // whether there is anything
	readType   readKind = "type"   // the entry's type
	readNode   readKind = "node"   // a file with its mode, a link's target, a folder's entries
	readTree   readKind = "tree"   // everything below, as it goes into the store
	readImpure readKind = "impure" // something that may differ every time

	// Between these two a path is copied through a filter, which records what it
	// lets through. Up to 2.8 the log did not show such a copy.
	readFilter   readKind = "filter"
	readFiltered readKind = "filtered"
)

// read is one thing that an evaluation depended on.
type read struct {
	Kind readKind `json:"kind"`
	Path string   `json:"path"`
}

// readLog collects what an evaluation reads from its log.
type readLog struct {
	ignore []string // folders whose content cannot change, or is part of the cache's key
	probe  string   // a file that is always copied

	seen    map[read]bool
	filters map[string]bool // the paths that a filter is about to copy
	impure  []string        // what makes the evaluation differ every time
	probed  bool            // the log shows copies
	files   int             // how many files Nix has evaluated
	current string          // the one it evaluates now
}

const (
	readPrefix     = "trace: nxc-read "
	evaluatePrefix = "evaluating file '"
)

var (
	copiedPattern  = regexp.MustCompile(`^copied source '(.*)' -> '[^']*'$`)
	copyingPattern = regexp.MustCompile(`^(?:copying|hashing) '(.*)'(?: to the store)?$`)
)

// observe takes one log entry and reports whether it was a record of what the
// evaluation read, which nobody else wants to see.
func (l *readLog) observe(e logEntry) bool {
	if record, ok := strings.CutPrefix(e.Message, readPrefix); ok {
		var pair [2]string
		if err := json.Unmarshal([]byte(record), &pair); err != nil {
			l.impure = append(l.impure, "an unreadable record")
			return true
		}
		l.record(read{readKind(pair[0]), pair[1]})
		return true
	}
	if file, ok := strings.CutPrefix(e.Message, evaluatePrefix); ok {
		l.current = strings.TrimSuffix(file, "'")
		l.files++
		l.add(read{readImport, l.current})
		return true
	}
	for _, text := range []string{e.Message, e.Text} {
		if match := copiedPattern.FindStringSubmatch(text); match != nil {
			l.copied(match[1])
			return true
		}
		if match := copyingPattern.FindStringSubmatch(text); match != nil {
			if !l.filters[match[1]] {
				l.copied(match[1])
			}
			delete(l.filters, match[1])
			return true
		}
	}
	return false
}

// record takes what trace.nix says.
func (l *readLog) record(r read) {
	switch r.Kind {
	case readFilter:
		if l.filters == nil {
			l.filters = map[string]bool{}
		}
		l.filters[r.Path] = true
	case readFiltered:
		delete(l.filters, r.Path)
		l.add(read{readNode, r.Path})
	default:
		l.add(r)
	}
}

// copied records that a path was copied into the store.
func (l *readLog) copied(path string) {
	if path == l.probe {
		l.probed = true
		return
	}
	l.add(read{readTree, path})
}

func (l *readLog) add(r read) {
	if r.Kind == readImpure {
		if !slices.Contains(l.impure, r.Path) {
			l.impure = append(l.impure, r.Path)
		}
		return
	}
	if !filepath.IsAbs(r.Path) {
		return // Nix refuses it, or it is one of Nix's own files
	}
	r.Path = filepath.Clean(r.Path)
	for _, folder := range l.ignore {
		if isWithin(r.Path, folder) {
			return
		}
	}
	if l.seen == nil {
		l.seen = map[read]bool{}
	}
	l.seen[r] = true
}

// reads lists what the evaluation read, in order.
func (l *readLog) reads() []read {
	out := make([]read, 0, len(l.seen))
	for r := range l.seen {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b read) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(string(a.Kind), string(b.Kind)))
	})
	return out
}
