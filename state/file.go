package state

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// Trouble says what kind of trouble a state file is in.
type Trouble string

const (
	Corrupt   Trouble = "corrupt"   // it is not what nxc writes
	Truncated Trouble = "truncated" // it ends too early
	Conflict  Trouble = "conflict"  // git left conflict markers in it
	Duplicate Trouble = "duplicate" // a member or resource stands there twice
	Newer     Trouble = "newer"     // a newer nxc wrote it
)

// FileError says that a state file cannot be used, where, and what to do.
type FileError struct {
	Path    string
	Line    int // from 1
	Column  int // in characters, from 1
	Trouble Trouble
	Detail  string
	Remedy  string // a sentence
}

// Error returns the place, the cause and the remedy.
func (e *FileError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s; %s", e.Path, e.Line, e.Column, e.Detail, e.Remedy)
}

// Read reads the state file at path. Where there is none it returns an empty
// state with a lineage of its own, and found is false. A file that cannot be
// used comes back as *FileError. What the file says is not checked for sense:
// that is Verify.
func Read(path string) (s *State, found bool, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return New(), false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("cannot read the state: %w", err)
	}
	s, err = Decode(path, data)
	return s, err == nil, err
}

// Decode reads a state from a file's content; path is for messages.
func Decode(path string, data []byte) (*State, error) {
	s, err := decode(data)
	if err == nil {
		return s, nil
	}
	var newer *newerError
	if errors.As(err, &newer) {
		return nil, newer.in(path, data)
	}
	var syntax *syntaxError
	if !errors.As(err, &syntax) {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	return nil, explain(path, data, syntax)
}

// Encode returns the state as the current format writes it.
func (s *State) Encode() ([]byte, error) { return encode1(s) }

// decode picks the codec by the file's format.
func decode(data []byte) (*State, error) {
	format, requires, pos, err := peekFormat(data)
	if err != nil {
		return nil, err
	}
	switch {
	case format == format1:
		return newDecoder1(data).state()
	case format > format1:
		return nil, &newerError{format: format, requires: requires, pos: pos}
	}
	return nil, &syntaxError{pos: pos, msg: fmt.Sprintf("there is no format %d of the state file", format)}
}

var errFound = errors.New("found")

// peekFormat finds the members that every format has. They come first in what
// nxc writes, so that the rest need not be understood, nor even read.
func peekFormat(data []byte) (format int64, requires string, pos int, err error) {
	s := scanner{data: data}
	err = s.object(func(name string, at int) (err error) {
		switch name {
		case "format":
			pos = at
			format, err = s.int64()
			if err == nil && format <= format1 {
				return errFound
			}
		case "requires":
			requires, err = s.str()
		default:
			err = s.skip()
		}
		if err == nil && format != 0 && requires != "" {
			return errFound
		}
		return err
	})
	if errors.Is(err, errFound) || format > 0 { // whatever comes later: what a newer format has there is not ours to judge
		return format, requires, pos, nil
	}
	if err == nil {
		err = &syntaxError{msg: "the member \"format\" is missing: this is no state of nxc's"}
	}
	return format, requires, pos, err
}

// newerError is a format that this nxc does not know.
type newerError struct {
	format   int64
	requires string
	pos      int
}

func (e *newerError) Error() string { return fmt.Sprintf("format %d", e.format) }

func (e *newerError) in(path string, data []byte) error {
	line, column := place(data, e.pos)
	remedy := "install a newer nxc"
	if e.requires != "" {
		remedy = fmt.Sprintf("install nxc %s or later", e.requires)
	}
	return &FileError{
		Path: path, Line: line, Column: column, Trouble: Newer,
		Detail: fmt.Sprintf("the state is in format %d, and this nxc knows formats up to %d", e.format, format1),
		Remedy: remedy,
	}
}

const takeBack = "bring the last good one back with git; or remove it and type nxc state recover, which puts back what nxc wrote last; earlier ones are in .nxc/backup"

// explain turns a syntax error into what a person can act on.
func explain(path string, data []byte, e *syntaxError) *FileError {
	if at := conflictMarker(data); at >= 0 {
		line, _ := place(data, at)
		return &FileError{
			Path: path, Line: line, Column: 1, Trouble: Conflict,
			Detail: "git left conflict markers here: two branches changed the same resource",
			Remedy: "keep for each resource the block that is true outside (or take one side whole with git checkout --ours or --theirs), then run nxc plan, which shows what differs",
		}
	}
	line, column := place(data, e.pos)
	f := &FileError{Path: path, Line: line, Column: column, Trouble: Corrupt, Detail: e.msg, Remedy: takeBack}
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		f.Trouble, f.Detail = Truncated, "the state file is empty"
		f.Remedy = takeBack + "; if nothing was ever deployed here, remove it"
	case e.truncated:
		f.Trouble = Truncated
	case e.duplicate:
		f.Trouble = Duplicate
		f.Remedy = "keep the block that is true outside and remove the other"
	}
	return f
}

// conflictMarker returns where the first of git's conflict markers stands, or
// -1. None can stand in a file that nxc wrote: there every line inside is indented.
func conflictMarker(data []byte) int {
	for _, marker := range []string{"<<<<<<< ", "=======\n", ">>>>>>> "} {
		if bytes.HasPrefix(data, []byte(marker)) {
			return 0
		}
		if i := bytes.Index(data, []byte("\n"+marker)); i >= 0 {
			return i + 1
		}
	}
	return -1
}

// place returns line and column of a byte.
func place(data []byte, pos int) (line, column int) {
	before := string(data[:min(pos, len(data))])
	line = 1 + strings.Count(before, "\n")
	column = 1 + len([]rune(before[strings.LastIndexByte(before, '\n')+1:]))
	return line, column
}
