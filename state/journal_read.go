package state

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Journal is what a command recorded of itself.
type Journal struct {
	Name    string
	Begin   *Begin   // nil: the command died before it began
	Records []Record // after Begin
	Torn    int      // bytes at the end that were being written when it died
	Damaged bool     // something is unreadable before the end: no crash does that

	paths []string
}

// ReadJournal reads the journal at path. A torn end is expected; a record
// that is whole and makes no sense is an error, because it is a newer nxc's.
func ReadJournal(path string) (*Journal, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read a journal: %w", err)
	}
	return decodeJournal(path, data)
}

func decodeJournal(path string, data []byte) (*Journal, error) {
	payloads, torn, damaged := frames(data)
	j := &Journal{
		Name:    strings.TrimSuffix(filepath.Base(path), journalSuffix),
		Torn:    torn,
		Damaged: damaged,
		paths:   []string{path},
	}
	for n, payload := range payloads {
		r, err := decodeRecord(payload)
		if err != nil {
			return nil, fmt.Errorf("record %d of the journal %s is not one that this nxc knows (%w); use the nxc that wrote it, or a newer one", n+1, path, err)
		}
		if r.Begin != nil && j.Begin == nil && n == 0 {
			j.Begin = r.Begin
			continue
		}
		j.Records = append(j.Records, *r)
	}
	if j.Begin == nil && len(j.Records) > 0 {
		return nil, fmt.Errorf("the journal %s has no beginning; move it away to go on without it", path)
	}
	return j, nil
}

// frames takes a journal apart. What is unreadable is torn when nothing
// readable follows, and damage otherwise.
func frames(data []byte) (payloads [][]byte, torn int, damaged bool) {
	for pos := 0; pos < len(data); {
		if payload, size := frame(data[pos:]); size > 0 {
			payloads = append(payloads, payload)
			pos += size
			continue
		}
		next := nextFrame(data, pos)
		if next < 0 {
			return payloads, len(data) - pos, damaged
		}
		damaged = true
		pos = next
	}
	return payloads, 0, damaged
}

// nextFrame finds the next readable record after an unreadable one.
func nextFrame(data []byte, pos int) int {
	for {
		i := bytes.IndexByte(data[pos:], '\n')
		if i < 0 || pos+i+1 >= len(data) {
			return -1
		}
		pos += i + 1
		if _, size := frame(data[pos:]); size > 0 {
			return pos
		}
	}
}

// frame reads the record that data begins with; size 0 says that there is none.
func frame(data []byte) (payload []byte, size int) {
	if len(data) < frameHeader || data[8] != ' ' || data[17] != ' ' {
		return nil, 0
	}
	sum, err1 := strconv.ParseUint(string(data[:8]), 16, 32)
	length, err2 := strconv.ParseUint(string(data[9:17]), 16, 32)
	if err1 != nil || err2 != nil || uint64(len(data)) < frameHeader+length+1 {
		return nil, 0
	}
	payload = data[frameHeader : frameHeader+length]
	if data[frameHeader+length] != '\n' || crc32.Checksum(payload, castagnoli) != uint32(sum) {
		return nil, 0
	}
	return payload, frameHeader + int(length) + 1
}

// journals reads the journals of this state, oldest first. Those of commands that run come back as names only.
func (s *Store) journals(lineage string) (dead []*Journal, running map[string]bool, err error) {
	running = map[string]bool{}
	byName := map[string]*Journal{}
	for _, folder := range []string{s.journalFolder(), s.journalCopies(lineage)} {
		entries, err := os.ReadDir(folder)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, fmt.Errorf("cannot look for journals: %w", err)
		}
		for _, e := range entries {
			name, is := strings.CutSuffix(e.Name(), journalSuffix)
			if !is {
				continue
			}
			if err := s.openJournal(filepath.Join(folder, e.Name()), name, lineage, byName, running); err != nil {
				return nil, nil, err
			}
		}
	}
	for name, j := range byName {
		if !running[name] {
			dead = append(dead, j)
		}
	}
	return byAge(dead), running, nil
}

// byAge sorts journals by their names, which begin with the time. Clocks jump:
// where a journal says that it took over from others, it comes after them.
func byAge(journals []*Journal) []*Journal {
	slices.SortFunc(journals, func(a, b *Journal) int { return strings.Compare(a.Name, b.Name) })
	left := map[string]*Journal{}
	for _, j := range journals {
		left[j.Name] = j
	}
	sorted := make([]*Journal, 0, len(journals))
	var place func(j *Journal)
	place = func(j *Journal) {
		if left[j.Name] == nil {
			return
		}
		delete(left, j.Name)
		if j.Begin != nil {
			for _, name := range j.Begin.After {
				if earlier := left[name]; earlier != nil {
					place(earlier)
				}
			}
		}
		sorted = append(sorted, j)
	}
	for _, j := range journals {
		place(j)
	}
	return sorted
}

// openJournal files one journal under its name. Of a journal and its copy the
// longer one counts, and both are removed together.
func (s *Store) openJournal(path, name, lineage string, byName map[string]*Journal, running map[string]bool) error {
	busy, err := held(path)
	if err != nil {
		return fmt.Errorf("cannot look whether a journal is in use: %w", err)
	}
	if busy {
		running[name] = true
		return nil
	}
	j, err := ReadJournal(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // its command has just ended
	}
	if err != nil {
		return err
	}
	if j.Begin != nil && (j.Begin.Lineage != lineage || j.Begin.Workspace != s.workspace) {
		return nil
	}
	if other := byName[name]; other != nil {
		j.paths = append(j.paths, other.paths...)
		if len(other.Records) >= len(j.Records) {
			other.paths, j = j.paths, other
		}
	}
	byName[name] = j
	return nil
}

// sweepJournals removes what commands left that died before their journal
// appeared under its name. One that is a minute old is no longer being made.
func (s *Store) sweepJournals() {
	left, _ := filepath.Glob(filepath.Join(s.journalFolder(), "*"+journalSuffix+tempSuffix))
	for _, path := range left {
		if info, err := os.Stat(path); err == nil && time.Since(info.ModTime()) > time.Minute {
			_ = os.Remove(path)
		}
	}
}

func (j *Journal) drop() {
	for _, path := range j.paths {
		_ = os.Remove(path)
	}
}
