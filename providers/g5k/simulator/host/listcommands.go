package host

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Commands that tell of files.

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

func dirname(_ context.Context, p *Process) int { return p.say("%s", path.Dir(p.Args[len(p.Args)-1])) }

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
