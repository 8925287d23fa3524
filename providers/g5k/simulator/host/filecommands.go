package host

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

func readAll(r io.Reader) ([]byte, error) {
	if r == nil {
		return nil, nil
	}
	return io.ReadAll(r)
}

// openFor opens a file that an argument names; "-" is the input.
func (p *Process) openFor(name string) (io.ReadCloser, error) {
	if name == "-" || name == "/dev/stdin" {
		return io.NopCloser(p.Stdin), nil
	}
	if name == "/dev/null" {
		return null{}, nil
	}
	file := p.path(name)
	if !Readable(p.User, file) {
		return nil, errors.New("permission denied")
	}
	return p.Host.files.OpenFile(file, os.O_RDONLY, 0)
}

// create opens a file for writing.
func (p *Process) create(name string, flag int, perm fs.FileMode) (io.WriteCloser, error) {
	file := p.path(name)
	if file == "/dev/null" {
		return null{}, nil
	}
	if !Writable(p.User, file) {
		return nil, errors.New("permission denied")
	}
	return p.Host.files.OpenFile(file, os.O_WRONLY|os.O_CREATE|flag, perm)
}

// each does something with every file that is named, with the input when none
// is, and returns 1 when one of them failed.
func (p *Process) each(names []string, do func(name string, r io.Reader) error) int {
	if len(names) == 0 {
		names = []string{"-"}
	}
	code := 0
	for _, name := range names {
		f, err := p.openFor(name)
		if err == nil {
			err = errors.Join(do(name, f), f.Close())
		}
		if err != nil {
			code = p.fail(1, "%s: %s: %s", p.Args[0], name, reason(err))
		}
	}
	return code
}

// change does something with every path that is named, after looking whether
// the user may.
func (p *Process) change(names []string, do func(file string) error) int {
	code := 0
	for _, name := range names {
		file := p.path(name)
		err := errors.New("permission denied")
		if Writable(p.User, file) {
			err = do(file)
		}
		if err != nil {
			code = p.fail(1, "%s: cannot change '%s': %s", p.Args[0], name, reason(err))
		}
	}
	return code
}

func mkdir(_ context.Context, p *Process) int {
	flags, names, ok := p.options("pv", "m")
	if !ok {
		return 1
	}
	perm := mode(flags['m'], 0o755)
	return p.change(names, func(file string) error {
		if flags['p'] != "" {
			return p.Host.files.MkdirAll(file, perm)
		}
		return p.Host.files.Mkdir(file, perm)
	})
}

func rmdir(_ context.Context, p *Process) int {
	return p.change(p.Args[1:], func(file string) error { return p.Host.files.Remove(file) })
}

func remove(_ context.Context, p *Process) int {
	flags, names, ok := p.options("rRfv", "")
	if !ok {
		return 1
	}
	return p.change(names, func(file string) error {
		if flags['r'] != "" || flags['R'] != "" {
			return p.Host.files.RemoveAll(file)
		}
		err := p.Host.files.Remove(file)
		if flags['f'] != "" && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

func chmod(_ context.Context, p *Process) int {
	_, names, ok := p.options("Rf", "")
	if !ok || len(names) < 2 {
		return p.fail(1, "chmod: missing operand")
	}
	return p.change(names[1:], func(file string) error {
		info, err := p.Host.files.Stat(file)
		if err != nil {
			return err
		}
		perm := mode(names[0], info.Mode())
		if strings.HasSuffix(names[0], "+x") {
			perm |= 0o111
		}
		return p.Host.files.Chmod(file, perm)
	})
}

func touch(_ context.Context, p *Process) int {
	return p.change(p.Args[1:], func(file string) error {
		f, err := p.Host.files.OpenFile(file, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		return f.Close()
	})
}

func truncate(_ context.Context, p *Process) int {
	flags, names, ok := p.options("", "s")
	size, err := strconv.ParseInt(flags['s'], 10, 64)
	if !ok || err != nil {
		return p.fail(1, "truncate: you must specify a size")
	}
	return p.change(names, func(file string) error {
		f, err := p.Host.files.OpenFile(file, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		return errors.Join(f.Truncate(size), f.Close())
	})
}

func mktemp(_ context.Context, p *Process) int {
	flags, names, ok := p.options("dq", "pt")
	if !ok {
		return 1
	}
	template := "/tmp/tmp.XXXXXXXXXX"
	if len(names) > 0 {
		template = p.path(names[0])
	}
	if dir := flags['p']; dir != "" {
		template = path.Join(dir, path.Base(template))
	}
	name := strings.TrimRight(template, "X") + strings.ReplaceAll(uuid.NewString(), "-", "")[:10]
	var err error
	if flags['d'] != "" {
		err = p.Host.files.Mkdir(name, 0o700)
	} else {
		err = p.Host.files.WriteFile(name, nil, 0o600)
	}
	if err != nil || !Writable(p.User, name) {
		return p.fail(1, "mktemp: failed to create via template '%s'", template)
	}
	return p.say("%s", name)
}
