package host

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
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

func cat(_ context.Context, p *Process) int {
	_, names, ok := p.options("u", "")
	if !ok {
		return 1
	}
	return p.each(names, func(_ string, r io.Reader) error {
		_, err := io.Copy(p.Stdout, r)
		return err
	})
}

func tee(_ context.Context, p *Process) int {
	flags, names, ok := p.options("a", "")
	if !ok {
		return 1
	}
	writers, code := []io.Writer{p.Stdout}, 0
	for _, name := range names {
		flag := os.O_TRUNC
		if flags['a'] != "" {
			flag = os.O_APPEND
		}
		f, err := p.create(name, flag, 0o644)
		if err != nil {
			code = p.fail(1, "tee: %s: %s", name, reason(err))
			continue
		}
		defer func() { _ = f.Close() }()
		writers = append(writers, f)
	}
	if _, err := io.Copy(io.MultiWriter(writers...), p.Stdin); err != nil {
		return p.fail(1, "tee: %s", reason(err))
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

func listFiles(_ context.Context, p *Process) int {
	flags, names, ok := p.options("1aldAh", "")
	if !ok {
		return 1
	}
	if len(names) == 0 {
		names = []string{"."}
	}
	code := 0
	for _, name := range names {
		file := p.path(name)
		info, err := p.Host.files.Stat(file)
		if err == nil && !Readable(p.User, file) {
			err = errors.New("permission denied")
		}
		if err != nil {
			code = p.fail(2, "ls: cannot access '%s': %s", name, reason(err))
			continue
		}
		if !info.IsDir() || flags['d'] != "" {
			p.listOne(name, info, flags)
			continue
		}
		entries, _ := p.Host.files.ReadDir(file)
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), ".") && flags['a'] == "" && flags['A'] == "" {
				continue
			}
			if info, err := e.Info(); err == nil {
				p.listOne(e.Name(), info, flags)
			}
		}
	}
	return code
}

func (p *Process) listOne(name string, info fs.FileInfo, flags map[byte]string) {
	if flags['l'] == "" {
		p.say("%s", name)
		return
	}
	p.say("%s 1 %s %s %d %s %s", info.Mode(), p.User, p.User, info.Size(), info.ModTime().Format("Jan _2 15:04"), name)
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

func stat(_ context.Context, p *Process) int {
	flags, names, ok := p.options("L", "c")
	if !ok {
		return 1
	}
	code := 0
	for _, name := range names {
		info, err := p.Host.files.Stat(p.path(name))
		if err != nil {
			code = p.fail(1, "stat: cannot statx '%s': %s", name, reason(err))
			continue
		}
		format := flags['c']
		if format == "" {
			format = "%n %s %a"
		}
		p.say("%s", strings.NewReplacer("%s", strconv.FormatInt(info.Size(), 10), "%a", octal(info.Mode()), "%n", name,
			"%Y", strconv.FormatInt(info.ModTime().Unix(), 10), "%U", p.User).Replace(format))
	}
	return code
}

func sha256sum(_ context.Context, p *Process) int {
	flags, names, ok := p.options("cb", "")
	if !ok {
		return 1
	}
	sum := func(name string) (string, error) {
		f, err := p.openFor(name)
		if err != nil {
			return "", err
		}
		defer func() { _ = f.Close() }()
		hash := sha256.New()
		_, err = io.Copy(hash, f)
		return hex.EncodeToString(hash.Sum(nil)), err
	}
	if flags['c'] == "" {
		return p.each(names, func(name string, r io.Reader) error {
			hash := sha256.New()
			_, err := io.Copy(hash, r)
			p.say("%s  %s", hex.EncodeToString(hash.Sum(nil)), name)
			return err
		})
	}
	code := 0
	return max(p.each(names, func(_ string, r io.Reader) error {
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			want, name, _ := strings.Cut(lines.Text(), "  ")
			if got, err := sum(name); err != nil || got != want {
				p.say("%s: FAILED", name)
				code = 1
			} else {
				p.say("%s: OK", name)
			}
		}
		return lines.Err()
	}), code)
}

func head(_ context.Context, p *Process) int {
	flags, names, ok := p.options("", "nc")
	if !ok {
		return 1
	}
	return p.each(names, func(_ string, r io.Reader) error {
		if n, err := strconv.ParseInt(flags['c'], 10, 64); err == nil {
			_, err = io.Copy(p.Stdout, io.LimitReader(r, n))
			return err
		}
		n, err := strconv.Atoi(flags['n'])
		if err != nil {
			n = 10
		}
		lines := bufio.NewReader(r)
		for range n {
			line, err := lines.ReadString('\n')
			_, _ = io.WriteString(p.Stdout, line)
			if err != nil {
				break
			}
		}
		return nil
	})
}

func tail(_ context.Context, p *Process) int {
	flags, names, ok := p.options("", "nc")
	if !ok {
		return 1
	}
	return p.each(names, func(_ string, r io.Reader) error {
		all, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if n, err := strconv.Atoi(strings.TrimPrefix(flags['c'], "+")); err == nil {
			if strings.HasPrefix(flags['c'], "+") {
				n = len(all) - n + 1
			}
			all = all[len(all)-min(max(n, 0), len(all)):]
		} else {
			n, err := strconv.Atoi(flags['n'])
			if err != nil {
				n = 10
			}
			lines := strings.SplitAfter(string(all), "\n")
			if lines[len(lines)-1] == "" {
				lines = lines[:len(lines)-1]
			}
			all = []byte(strings.Join(lines[len(lines)-min(n, len(lines)):], ""))
		}
		_, err = p.Stdout.Write(all)
		return err
	})
}

func count(_ context.Context, p *Process) int {
	flags, names, ok := p.options("lc", "")
	if !ok {
		return 1
	}
	return p.each(names, func(name string, r io.Reader) error {
		all, err := io.ReadAll(r)
		n := len(all)
		if flags['l'] != "" {
			n = strings.Count(string(all), "\n")
		}
		if name == "-" {
			p.say("%d", n)
		} else {
			p.say("%d %s", n, name)
		}
		return err
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

func dirname(_ context.Context, p *Process) int  { return p.say("%s", path.Dir(p.Args[len(p.Args)-1])) }
func basename(_ context.Context, p *Process) int { return p.say("%s", path.Base(p.Args[1])) }

func readlink(_ context.Context, p *Process) int {
	_, names, ok := p.options("fem", "")
	if !ok || len(names) != 1 {
		return 1
	}
	if target, err := p.Host.files.Readlink(p.path(names[0])); err == nil {
		return p.say("%s", target)
	}
	return p.say("%s", p.path(names[0]))
}

func diskFree(_ context.Context, p *Process) int {
	p.say("Filesystem     1K-blocks    Used Available Use%% Mounted on")
	return p.say("/dev/sda3      196000000 2000000 194000000   2%% /")
}

func grep(_ context.Context, p *Process) int {
	flags, rest, ok := p.options("qEFvcxio", "e")
	if !ok {
		return 2
	}
	pattern, given := flags['e']
	if !given {
		if len(rest) == 0 {
			return p.fail(2, "grep: no pattern")
		}
		pattern, rest = rest[0], rest[1:]
	}
	if flags['F'] != "" {
		pattern = regexp.QuoteMeta(pattern)
	}
	if flags['x'] != "" {
		pattern = "^(?:" + pattern + ")$"
	}
	if flags['i'] != "" {
		pattern = "(?i)" + pattern
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return p.fail(2, "grep: %v", err)
	}
	n := 0
	code := p.each(rest, func(_ string, r io.Reader) error {
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if re.MatchString(lines.Text()) == (flags['v'] != "") {
				continue
			}
			n++
			switch {
			case flags['q'] != "" || flags['c'] != "":
			case flags['o'] != "":
				p.say("%s", re.FindString(lines.Text()))
			default:
				p.say("%s", lines.Text())
			}
		}
		return lines.Err()
	})
	if flags['c'] != "" {
		p.say("%d", n)
	}
	if code != 0 {
		return 2
	}
	if n == 0 {
		return 1
	}
	return 0
}

// find lists what is below folders; it knows -maxdepth, -type and -name.
func find(_ context.Context, p *Process) int {
	depth, kind, name := 1<<30, "", "*"
	var roots []string
	args := p.Args[1:]
	for len(args) > 0 {
		switch arg := args[0]; {
		case strings.HasPrefix(arg, "-") && len(args) < 2:
			return p.fail(1, "find: missing argument to '%s'", arg)
		case arg == "-maxdepth":
			depth, _ = strconv.Atoi(args[1])
			args = args[1:]
		case arg == "-type":
			kind, args = args[1], args[1:]
		case arg == "-name":
			name, args = args[1], args[1:]
		case strings.HasPrefix(arg, "-"):
			return p.fail(1, "find: unknown predicate '%s'", arg)
		default:
			roots = append(roots, arg)
		}
		args = args[1:]
	}
	var walk func(shown string, level int)
	walk = func(shown string, level int) {
		info, err := p.Host.files.Lstat(p.path(shown))
		if err != nil {
			return
		}
		match, _ := path.Match(name, path.Base(shown))
		if match && (kind == "" || (kind == "d") == info.IsDir()) {
			p.say("%s", shown)
		}
		if !info.IsDir() || level >= depth {
			return
		}
		entries, _ := p.Host.files.ReadDir(p.path(shown))
		for _, e := range entries {
			walk(path.Join(shown, e.Name()), level+1)
		}
	}
	code := 0
	for _, root := range roots {
		if _, err := p.Host.files.Lstat(p.path(root)); err != nil {
			code = p.fail(1, "find: '%s': %s", root, reason(err))
			continue
		}
		walk(root, 0)
	}
	return code
}
