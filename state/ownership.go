package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nixos-compose/nxc/internal/atomicfile"
)

// OwnershipKind says whose a state is.
type OwnershipKind int

const (
	Unowned   OwnershipKind = iota // nobody's: it belongs to whoever applies first
	Own                            // ours
	TakenBack                      // ours, and this folder had lost its token (cleaned, or moved)
	Foreign                        // somebody else's: it may be looked at
)

// Ownership says whose a state is, and how we know.
type Ownership struct {
	Kind   OwnershipKind
	Folder string // TakenBack: where it was; Foreign: the first folder, when known
	User   string // of Folder
	Host   string // of Folder

	here  string
	token string
}

// Notice returns the line to show for a state that was taken back, else "".
func (o Ownership) Notice() string {
	switch {
	case o.Kind != TakenBack:
		return ""
	case o.Folder == o.here:
		return "The .nxc folder was gone; this is the folder that its owner's token belongs to, so it was taken back."
	default:
		return fmt.Sprintf("This was %s, which no longer has it; its owner's token was taken along.", o.Folder)
	}
}

// Err returns a *ForeignError for a state that is somebody else's, else nil.
func (o Ownership) Err() error {
	if o.Kind != Foreign {
		return nil
	}
	return &ForeignError{Ownership: o}
}

// ForeignError says that the state is somebody else's and can only be looked at.
type ForeignError struct{ Ownership Ownership }

// Error names the owner, as far as it is known, and both ways out.
func (e *ForeignError) Error() string {
	whose := "somebody else"
	if o := e.Ownership; o.Folder != "" {
		whose = "the folder " + o.Folder
		if o.User != "" {
			whose += fmt.Sprintf(" (%s on %s)", o.User, o.Host)
		}
	}
	return fmt.Sprintf("what this state describes belongs to %s, and this is a copy, which can only be looked at; "+
		"for deployments of your own, with the same pins, type: nxc workspace new NAME; "+
		"to take these over instead, type: nxc adopt", whose)
}

// ownerRecord is what the state home says of the folder that a token belongs to.
type ownerRecord struct {
	Folder string `json:"folder"` // that holds the state file
	File   string `json:"file"`
	User   string `json:"user"`
	Host   string `json:"host"`
}

func (s *Store) tokenPath(folder, lineage string) string {
	return filepath.Join(folder, ".nxc", "token", lineage+"."+s.workspace)
}

func readToken(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// readOwnerRecord returns the record and the token beside it; nil when there
// is none.
func (s *Store) readOwnerRecord(lineage string) (*ownerRecord, string) {
	home := s.Home(lineage)
	if home == "" {
		return nil, ""
	}
	data, err := os.ReadFile(filepath.Join(home, "owner.json"))
	if err != nil {
		return nil, ""
	}
	var r ownerRecord
	if json.Unmarshal(data, &r) != nil || r.Folder == "" {
		return nil, ""
	}
	return &r, readToken(filepath.Join(home, "token"))
}

// ownership decides whose a state is. It writes nothing.
func (s *Store) ownership(file *State) Ownership {
	here := filepath.Dir(s.path)
	if file.Owner == "" {
		if file.Len() > 0 {
			return Ownership{Kind: Foreign, here: here}
		}
		return Ownership{Kind: Unowned, here: here}
	}
	fits := func(token string) bool {
		return token != "" && ownerOf(token, file.Lineage, s.workspace) == file.Owner
	}
	if fits(s.options.OwnerToken) {
		return Ownership{Kind: Own, token: s.options.OwnerToken, here: here}
	}
	mine := readToken(s.tokenPath(here, file.Lineage))
	record, kept := s.readOwnerRecord(file.Lineage)
	o := Ownership{Kind: Foreign, here: here}
	if record != nil {
		o.Folder, o.User, o.Host = record.Folder, record.User, record.Host
	}
	switch {
	case fits(mine):
		o.token = mine
		if record == nil || sameFolder(record, here) {
			o.Kind = Own
			return o
		}
	case fits(kept):
		o.token = kept
		if sameFolder(record, here) {
			o.Kind = TakenBack
			return o
		}
	default:
		return o
	}
	if s.abandoned(record, kept, file.Lineage, fits(mine)) {
		o.Kind = TakenBack
	} else {
		o.token = ""
	}
	return o
}

// sameFolder reports whether the recorded folder is this one, under this or
// another name.
func sameFolder(r *ownerRecord, here string) bool {
	if r.Folder == here {
		return true
	}
	a, err1 := os.Stat(r.Folder)
	b, err2 := os.Stat(here)
	return err1 == nil && err2 == nil && os.SameFile(a, b)
}

// abandoned reports whether the recorded folder no longer holds the token that
// was recorded with it. A folder of another host cannot be looked at from
// here: with a token of our own it was brought here, without one it is not
// ours to take.
func (s *Store) abandoned(r *ownerRecord, kept, lineage string, haveToken bool) bool {
	host, _ := os.Hostname()
	data, err := os.ReadFile(s.tokenPath(r.Folder, lineage))
	switch {
	case err == nil:
		return strings.TrimSpace(string(data)) != kept
	case errors.Is(err, fs.ErrNotExist):
		return r.Host == host || haveToken
	default: // we may not look: then somebody is there
		return false
	}
}

// Ownership says whose the state is.
func (s *Store) Ownership(ctx context.Context) (Ownership, error) {
	snap, err := s.Load(ctx)
	if err != nil {
		return Ownership{}, err
	}
	return snap.Ownership, nil
}

// TakeBack writes down that this folder is the owner's again. Begin does it
// by itself.
func (s *Store) TakeBack(o Ownership, lineage string) error {
	if o.Kind != TakenBack {
		return nil
	}
	return s.keepToken(o.token, lineage)
}

// claim makes the state ours: nobody has applied it yet. It returns the token.
func (s *Store) claim(file *State) string {
	token := s.options.OwnerToken
	if token == "" {
		token = newToken()
	}
	file.Owner = ownerOf(token, file.Lineage, s.workspace)
	return token
}

// keepToken writes the token and whose it is, into .nxc and the state home. A
// token that the environment gives is not written down.
func (s *Store) keepToken(token, lineage string) error {
	if token == s.options.OwnerToken {
		return nil
	}
	here := filepath.Dir(s.path)
	path := s.tokenPath(here, lineage)
	if err := makeFolder(s.Folder()); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("cannot keep the owner's token: %w", err)
	}
	if readToken(path) != token {
		if err := atomicfile.Write(path, []byte(token+"\n"), 0o600); err != nil {
			return fmt.Errorf("cannot keep the owner's token: %w", err)
		}
	}
	return s.recordOwner(token, lineage)
}

func (s *Store) recordOwner(token, lineage string) error {
	home := s.Home(lineage)
	if home == "" {
		return nil
	}
	me := self(s.options.Command)
	want := ownerRecord{Folder: filepath.Dir(s.path), File: filepath.Base(s.path), User: me.User, Host: me.Host}
	if have, kept := s.readOwnerRecord(lineage); have != nil && *have == want && kept == token {
		return nil
	}
	data, err := json.MarshalIndent(want, "", "  ")
	if err != nil {
		return fmt.Errorf("cannot record the owner: %w", err)
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return fmt.Errorf("cannot keep a copy of the owner's token: %w", err)
	}
	if err := atomicfile.Write(filepath.Join(home, "token"), []byte(token+"\n"), 0o600); err != nil {
		return fmt.Errorf("cannot keep a copy of the owner's token: %w", err)
	}
	if err := atomicfile.Write(filepath.Join(home, "owner.json"), append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("cannot record the owner: %w", err)
	}
	return nil
}

// Adopt makes the state this folder's, whoever it belonged to. Deployments
// keep their identity, so everything outside is ours from then on; the one
// who had it finds his copy read-only. Secrets can no longer be recognised:
// their fingerprints were made with the token of another.
func (s *Store) Adopt(ctx context.Context) error {
	file, found, err := s.read()
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("there is no state at %s to adopt; nxc apply makes one", s.path)
	}
	if s.ownership(file).Kind == Own {
		return nil
	}
	if err := s.prepare(); err != nil {
		return err
	}
	locks, err := s.lockDeployments(ctx, file.Names(), nil)
	if err != nil {
		return err
	}
	defer releaseAll(locks)
	return s.update(ctx, func(file *State, _ bool) error {
		token := s.claim(file)
		dropFingerprints(file)
		return s.keepToken(token, file.Lineage)
	})
}

func dropFingerprints(s *State) {
	for _, d := range s.Deployments() {
		c := d.Copy()
		for name, p := range c.Providers {
			p.Secrets = withoutFingerprints(p.Secrets)
			c.Providers[name] = p
		}
		s.SetDeployment(c)
	}
	for _, r := range s.Resources() {
		c := r.Copy()
		c.Secrets = withoutFingerprints(c.Secrets)
		for i := range c.Deposed {
			c.Deposed[i].Secrets = withoutFingerprints(c.Deposed[i].Secrets)
		}
		s.SetResource(c)
	}
}

func withoutFingerprints(secrets []Secret) []Secret {
	var out []Secret
	for _, s := range secrets {
		out = append(out, Secret{Path: s.Path})
	}
	return out
}
