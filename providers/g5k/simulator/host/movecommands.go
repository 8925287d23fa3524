package host

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
)

// Commands that bring files from one place to another.

// into is where a file goes that is copied or moved to a target.
func (p *Process) into(from, to string, folder bool) string {
	if info, err := p.Host.files.Stat(to); err == nil && info.IsDir() && folder {
		return path.Join(to, path.Base(from))
	}
	return to
}

func move(ctx context.Context, p *Process) int {
	flags, names, ok := p.options("fnTv", "")
	if !ok || len(names) < 2 {
		return p.fail(1, "mv: missing file operand")
	}
	target := p.path(names[len(names)-1])
	return p.change(names[:len(names)-1], func(file string) error {
		to := p.into(file, target, flags['T'] == "")
		if !Writable(p.User, to) {
			return errors.New("permission denied")
		}
		if err := p.Host.files.Rename(file, to); err == nil || errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := p.copyTree(file, to); err != nil { // between mounts
			return err
		}
		return p.Host.files.RemoveAll(file)
	})
}

func copyFiles(_ context.Context, p *Process) int {
	flags, names, ok := p.options("arRpfTvn", "")
	if !ok || len(names) < 2 {
		return p.fail(1, "cp: missing file operand")
	}
	target, code := p.path(names[len(names)-1]), 0
	for _, name := range names[:len(names)-1] {
		file := p.path(name)
		to := p.into(file, target, flags['T'] == "")
		info, err := p.Host.files.Stat(file)
		switch {
		case err != nil:
		case !Writable(p.User, to):
			err = errors.New("permission denied")
		case info.IsDir() && flags['a'] == "" && flags['r'] == "" && flags['R'] == "":
			err = errors.New("-r not specified; omitting directory")
		default:
			err = p.copyTree(file, to)
		}
		if err != nil {
			code = p.fail(1, "cp: cannot copy '%s': %s", name, reason(err))
		}
	}
	return code
}

func (p *Process) copyTree(from, to string) error {
	info, err := p.Host.files.Stat(from)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return p.copyFile(from, to, info.Mode())
	}
	if err := p.Host.files.MkdirAll(to, info.Mode()); err != nil {
		return err
	}
	entries, err := p.Host.files.ReadDir(from)
	for _, e := range entries {
		err = errors.Join(err, p.copyTree(path.Join(from, e.Name()), path.Join(to, e.Name())))
	}
	return err
}

func (p *Process) copyFile(from, to string, perm fs.FileMode) error {
	r, err := p.openFor(from)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	w, err := p.create(to, os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Close())
}

func link(_ context.Context, p *Process) int {
	flags, names, ok := p.options("sfnT", "")
	if !ok || len(names) != 2 || flags['s'] == "" {
		return p.fail(1, "ln: only ln -s TARGET NAME is known here")
	}
	return p.change(names[1:], func(file string) error {
		if flags['f'] != "" {
			_ = p.Host.files.Remove(file)
		}
		return p.Host.files.Symlink(names[0], file)
	})
}

func install(_ context.Context, p *Process) int {
	flags, names, ok := p.options("Dd", "mog")
	if !ok {
		return 1
	}
	perm := mode(flags['m'], 0o755)
	if flags['d'] != "" {
		return p.change(names, func(file string) error { return p.Host.files.MkdirAll(file, perm) })
	}
	if len(names) != 2 {
		return p.fail(1, "install: missing file operand")
	}
	return p.change(names[1:], func(file string) error {
		file = p.into(p.path(names[0]), file, flags['D'] == "")
		if err := p.Host.files.MkdirAll(path.Dir(file), 0o755); flags['D'] != "" && err != nil {
			return err
		}
		if err := p.copyFile(names[0], file, perm); err != nil {
			return err
		}
		return p.Host.files.Chmod(file, perm)
	})
}
