package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	ctyyaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
)

// Credentials are a person's name and password. Whoever prints them sees the
// name only.
type Credentials struct {
	User     string
	Password string
	From     string // where they were found, for people
}

// String leaves the password out.
func (c Credentials) String() string { return c.User }

// GoString leaves the password out.
func (c Credentials) GoString() string { return fmt.Sprintf("%q of %s", c.User, c.From) }

// Search is where credentials are looked for, in this order: what is given,
// the command, the environment, the netrc file, and python-grid5000's file.
type Search struct {
	User, Password string
	Command        []string
	Host           string // of the interface, as the netrc file names it
	Getenv         func(string) string
	Home           string
}

// Find looks for credentials. Without any the password is empty, which is
// enough within Grid'5000.
func (s Search) Find(ctx context.Context) (Credentials, error) {
	if s.Password != "" {
		return Credentials{User: s.orUser(""), Password: s.Password, From: "the provider's block"}, nil
	}
	if len(s.Command) > 0 {
		return s.fromCommand(ctx)
	}
	if p := s.Getenv("G5K_PASSWORD"); p != "" {
		return Credentials{User: s.orUser(""), Password: p, From: "G5K_PASSWORD"}, nil
	}
	for _, look := range []func() (Credentials, error){s.fromNetrc, s.fromPython} {
		found, err := look()
		if err != nil {
			return found, err
		}
		if found.Password != "" && (s.asked() == "" || found.User == s.asked()) {
			return found, nil
		}
	}
	return Credentials{User: s.orUser("")}, nil
}

// asked is the user that was asked for.
func (s Search) asked() string {
	for _, user := range []string{s.User, s.Getenv("G5K_LOGIN"), s.Getenv("G5K_USER")} {
		if user != "" {
			return user
		}
	}
	return ""
}

func (s Search) orUser(found string) string {
	for _, user := range []string{s.asked(), found, s.Getenv("USER"), s.Getenv("LOGNAME")} {
		if user != "" {
			return user
		}
	}
	return ""
}

// fromCommand runs a command whose first line is the password; a second one of
// the form "login: NAME" or "user: NAME" is the user, as pass writes it.
func (s Search) fromCommand(ctx context.Context) (Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, s.Command[0], s.Command[1:]...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, firstLine(strings.TrimSpace(string(exit.Stderr))))
		}
		return Credentials{}, fmt.Errorf("ask %s for the password: %w", s.Command[0], err)
	}
	password, rest, _ := strings.Cut(string(out), "\n")
	found := ""
	for line := range strings.Lines(rest) {
		key, value, ok := strings.Cut(line, ":")
		if key = strings.ToLower(strings.TrimSpace(key)); ok && (key == "login" || key == "user" || key == "username") {
			found = strings.TrimSpace(value)
			break
		}
	}
	if password = strings.TrimRight(password, "\r"); password == "" {
		return Credentials{}, fmt.Errorf("ask %s for the password: its first line is empty", s.Command[0])
	}
	return Credentials{User: s.orUser(found), Password: password, From: s.Command[0]}, nil
}

// fromNetrc reads the netrc file's words for the interface's host.
func (s Search) fromNetrc() (Credentials, error) {
	path := s.Getenv("NETRC")
	if path == "" {
		path = filepath.Join(s.Home, ".netrc")
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) || s.Home == "" && s.Getenv("NETRC") == "" {
		return Credentials{}, nil
	} else if err != nil {
		return Credentials{}, err
	}
	defer file.Close()
	host, _, _ := strings.Cut(s.Host, ":")
	found := Credentials{From: path}
	words := bufio.NewScanner(file)
	words.Split(bufio.ScanWords)
	for here := false; words.Scan(); {
		switch words.Text() {
		case "machine":
			if here && found.Password != "" {
				return found, nil
			}
			here = words.Scan() && (words.Text() == host || words.Text() == s.Host)
		case "default":
			here = found.Password == ""
		case "login":
			if words.Scan() && here {
				found.User = words.Text()
			}
		case "password":
			if words.Scan() && here {
				found.Password = words.Text()
			}
		case "account", "macdef":
			words.Scan()
		}
	}
	return found, words.Err()
}

// fromPython reads the file of python-grid5000, which EnOSlib uses as well.
func (s Search) fromPython() (Credentials, error) {
	path := filepath.Join(s.Home, ".python-grid5000.yaml")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || s.Home == "" {
		return Credentials{}, nil
	} else if err != nil {
		return Credentials{}, err
	}
	if len(strings.TrimSpace(string(text))) == 0 {
		return Credentials{}, nil
	}
	ty, err := ctyyaml.Standard.ImpliedType(text)
	if err != nil {
		return Credentials{}, fmt.Errorf("read %s: %w", path, err)
	}
	v, err := ctyyaml.Standard.Unmarshal(text, ty)
	if err != nil {
		return Credentials{}, fmt.Errorf("read %s: %w", path, err)
	}
	word := func(name string) string {
		if !ty.IsObjectType() || !ty.HasAttribute(name) {
			return ""
		}
		w := v.GetAttr(name)
		if w.IsNull() || w.Type() != cty.String {
			return ""
		}
		return w.AsString()
	}
	return Credentials{User: word("username"), Password: word("password"), From: path}, nil
}
