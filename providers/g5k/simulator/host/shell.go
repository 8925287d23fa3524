package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/interp"
	"mvdan.cc/sh/v3/syntax"
)

// Shell runs a script as a user, and returns how it ended. What the script
// leaves in the background goes on until ctx ends.
func (h *Host) Shell(ctx context.Context, user, script string, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	home := HomeOf(user)
	if err := h.files.MkdirAll(home, 0o755); err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return 1
	}
	base := []string{
		"HOME=" + home, "USER=" + user, "LOGNAME=" + user, "SHELL=/bin/bash", "LANG=C.UTF-8", "HOSTNAME=" + h.o.Name,
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	}
	s := &shell{host: h, user: user}
	return s.run(ctx, script, "bash", nil, append(base, env...), home, stdin, stdout, stderr)
}

// shell is a shell of one user.
type shell struct {
	host *Host
	user string
}

func (s *shell) run(ctx context.Context, script, name string, args, env []string, dir string, stdin io.Reader, stdout, stderr io.Writer) int {
	file, err := syntax.NewParser().Parse(strings.NewReader(script), name)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return 2
	}
	r, err := interp.New(
		interp.Env(expand.ListEnviron(env...)), interp.StdIO(stdin, stdout, stderr), interp.Params(append([]string{"--"}, args...)...),
		interp.ExecHandlers(func(interp.ExecHandlerFunc) interp.ExecHandlerFunc { return s.exec }),
		interp.OpenHandler(s.open), interp.StatHandler(s.stat), interp.ReadDirHandler2(s.readDir), interp.AccessHandler(s.access),
		func(r *interp.Runner) error { r.Dir = dir; return nil }, // interp.Dir would look for it on the real machine
	)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return 2
	}
	return exitOf(r.Run(ctx, file))
}

func exitOf(err error) int {
	var status interp.ExitStatus
	switch {
	case err == nil:
		return 0
	case errors.As(err, &status):
		return int(status)
	}
	return 255
}

// open opens a file for a redirection.
func (s *shell) open(ctx context.Context, p string, flag int, perm fs.FileMode) (io.ReadWriteCloser, error) {
	p = absolute(interp.HandlerCtx(ctx).Dir, p) // redirections come as they are written
	if p == "/dev/null" {
		return null{}, nil
	}
	if err := s.may(p, flag&(os.O_WRONLY|os.O_RDWR) != 0); err != nil {
		return nil, err
	}
	return s.host.files.OpenFile(p, flag, perm)
}

func (s *shell) may(p string, write bool) error {
	if write && !Writable(s.user, p) || !Readable(s.user, p) {
		return &fs.PathError{Op: "open", Path: p, Err: errors.New("permission denied")}
	}
	return nil
}

func (s *shell) stat(_ context.Context, p string, follow bool) (fs.FileInfo, error) {
	if follow {
		return s.host.files.Stat(p)
	}
	return s.host.files.Lstat(p)
}

func (s *shell) readDir(_ context.Context, p string) ([]fs.DirEntry, error) {
	return s.host.files.ReadDir(p)
}

func (s *shell) access(_ context.Context, p string, mode interp.AccessMode) error {
	info, err := s.host.files.Stat(p)
	if err != nil {
		return err
	}
	if mode&interp.AccessExec != 0 && !info.IsDir() && info.Mode()&0o111 == 0 {
		return fs.ErrPermission
	}
	return s.may(p, mode&interp.AccessWrite != 0)
}

// null is /dev/null.
type null struct{}

func (null) Read([]byte) (int, error)    { return 0, io.EOF }
func (null) Write(p []byte) (int, error) { return len(p), nil }
func (null) Close() error                { return nil }

// exec runs a command that is no part of the shell.
func (s *shell) exec(ctx context.Context, args []string) error {
	c := interp.HandlerCtx(ctx)
	var env []string
	for name, v := range c.Env.Each {
		if v.Exported && v.Kind == expand.String {
			env = append(env, name+"="+v.Str)
		}
	}
	p := &Process{Host: s.host, User: s.user, Args: args, Env: env, Dir: c.Dir, Stdin: c.Stdin, Stdout: c.Stdout, Stderr: c.Stderr}
	if code := p.run(ctx); code != 0 {
		return interp.ExitStatus(uint8(code)) //nolint:gosec // 0 to 255
	}
	return ctx.Err()
}

// run runs a process: one of the machine's commands, what the machine's owner
// knows, or a script.
func (p *Process) run(ctx context.Context) int {
	name := p.Args[0]
	if code, ok := p.program(ctx, p.search(name)); ok {
		return code
	}
	if do := commands()[path.Base(name)]; do != nil && !p.isFile(name) {
		return do(ctx, p)
	}
	if p.Host.o.Run != nil {
		if code, ran := p.Host.o.Run(ctx, p); ran {
			return code
		}
	}
	return p.fail(127, "%s: command not found", name)
}

func (p *Process) isFile(name string) bool {
	if !strings.Contains(name, "/") {
		return false
	}
	info, err := p.Host.files.Stat(p.path(name))
	return err == nil && !info.IsDir()
}

// search finds the file that a name means: by PATH, unless it is a path.
func (p *Process) search(name string) string {
	if strings.Contains(name, "/") {
		return p.path(name)
	}
	for _, e := range p.Env {
		dirs, ok := strings.CutPrefix(e, "PATH=")
		if !ok {
			continue
		}
		for _, dir := range strings.Split(dirs, ":") {
			file := path.Join(dir, name)
			if info, err := p.Host.files.Stat(file); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
				return file
			}
		}
	}
	return ""
}

// program runs a file: what its owner knows by its arguments, or a script.
func (p *Process) program(ctx context.Context, file string) (int, bool) {
	if file == "" {
		return 0, false
	}
	info, err := p.Host.files.Stat(file)
	if err != nil || info.IsDir() {
		return 0, false
	}
	if info.Mode()&0o111 == 0 {
		return p.fail(126, "%s: Permission denied", p.Args[0]), true
	}
	if p.Host.o.Run != nil {
		if code, ran := p.Host.o.Run(ctx, p); ran {
			return code, true
		}
	}
	script, err := p.Host.files.ReadFile(file)
	if err != nil || strings.HasPrefix(string(script), "\x7fELF") {
		return p.fail(126, "%s: cannot execute binary file", p.Args[0]), true
	}
	s := &shell{p.Host, p.User}
	return s.run(ctx, string(script), p.Args[0], p.Args[1:], p.Env, p.Dir, p.Stdin, p.Stdout, p.Stderr), true
}

// path makes a path absolute.
func (p *Process) path(name string) string { return absolute(p.Dir, name) }

func absolute(dir, name string) string {
	if strings.HasPrefix(name, "/") {
		return path.Clean(name)
	}
	return path.Join(dir, name)
}

// fail says what went wrong, and returns the exit code.
func (p *Process) fail(code int, format string, args ...any) int {
	_, _ = fmt.Fprintf(p.Stderr, format+"\n", args...)
	return code
}

// say prints a line.
func (p *Process) say(format string, args ...any) int {
	_, _ = fmt.Fprintf(p.Stdout, format+"\n", args...)
	return 0
}
