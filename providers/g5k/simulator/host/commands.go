package host

import (
	"context"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// command is one of the machine's own.
type command func(ctx context.Context, p *Process) int

// commands are what a machine has without anybody's help. They take the
// options that scripts here use; each refuses those that it does not know.
func commands() map[string]command {
	return map[string]command{
		// of the system (this file)
		"hostname": hostname, "uname": uname, "id": id, "whoami": whoami, "date": date, "sleep": sleep, "sync": ok, "nproc": nproc,
		"sudo": asRoot, "sudo-g5k": asRoot, "nohup": wrapped, "setsid": detached, "env": environment, "sh": subshell, "bash": subshell,
		"timeout": timed, "reboot": reboot, "poweroff": reboot, "systemctl": systemctl, "systemd-run": systemdRun, "kexec": kexec, "uptime": ok,
		"modprobe": ok, "chown": ok, "stty": ok, "udevadm": ok, "nice": wrapped, "ionice": wrapped, "stdbuf": wrapped,
		// of files (filecommands.go)
		"cat": cat, "tee": tee, "mkdir": mkdir, "rmdir": rmdir, "rm": remove, "mv": move, "cp": copyFiles, "ln": link, "ls": listFiles,
		"chmod": chmod, "touch": touch, "stat": stat, "sha256sum": sha256sum, "head": head, "tail": tail, "wc": count, "mktemp": mktemp,
		"install": install, "dirname": dirname, "basename": basename, "readlink": readlink, "df": diskFree, "truncate": truncate,
		"grep": grep, "find": find,
		// of archives (archivecommands.go)
		"tar": unpack,
		// of the network (netcommands.go)
		"curl": curl, "wget": wget,
	}
}

func ok(context.Context, *Process) int { return 0 }

func hostname(_ context.Context, p *Process) int {
	short, _, _ := strings.Cut(p.Host.o.Name, ".")
	if len(p.Args) > 1 && p.Args[1] == "-s" {
		return p.say("%s", short)
	}
	return p.say("%s", p.Host.o.Name)
}

func uname(_ context.Context, p *Process) int {
	flags := "-s"
	if len(p.Args) > 1 {
		flags = p.Args[1]
	}
	var parts []string
	for _, one := range []struct{ flag, text string }{
		{"s", "Linux"}, {"n", p.Host.o.Name}, {"r", "5.10.0-35-amd64"}, {"v", "#1 SMP Debian 5.10.237-1"}, {"m", "x86_64"}, {"o", "GNU/Linux"},
	} {
		if strings.Contains(flags, one.flag) || flags == "-a" {
			parts = append(parts, one.text)
		}
	}
	return p.say("%s", strings.Join(parts, " "))
}

func id(_ context.Context, p *Process) int {
	n, name := "1000", p.User
	if p.User == "root" {
		n = "0"
	}
	switch strings.Join(p.Args[1:], " ") {
	case "-u":
		return p.say("%s", n)
	case "-un":
		return p.say("%s", name)
	case "-g":
		return p.say("%s", n)
	}
	return p.say("uid=%s(%s) gid=%s(%s) groups=%s(%s)", n, name, n, name, n, name)
}

func whoami(_ context.Context, p *Process) int { return p.say("%s", p.User) }

func date(_ context.Context, p *Process) int {
	if len(p.Args) > 1 && p.Args[len(p.Args)-1] == "+%s" {
		return p.say("%d", time.Now().Unix())
	}
	return p.say("%s", time.Now().UTC().Format(time.UnixDate))
}

func nproc(_ context.Context, p *Process) int { return p.say("2") }

func sleep(ctx context.Context, p *Process) int {
	var total time.Duration
	for _, text := range p.Args[1:] {
		d, err := duration(text)
		if err != nil {
			return p.fail(1, "sleep: invalid time interval '%s'", text)
		}
		total += d
	}
	select {
	case <-time.After(total):
		return 0
	case <-ctx.Done():
		return 143
	}
}

func duration(text string) (time.Duration, error) {
	if text == "infinity" {
		return 1 << 62, nil
	}
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}
	unit := time.Second
	if text != "" {
		if u, ok := units[text[len(text)-1]]; ok {
			text, unit = text[:len(text)-1], u
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	return time.Duration(n * float64(unit)), err
}

// again runs the rest of a process's arguments as another process.
func (p *Process) again(ctx context.Context, user string, args []string) int {
	if len(args) == 0 {
		return 0
	}
	next := *p
	next.User, next.Args = user, args
	if commandIsBuiltin(args[0]) { // such as test or echo, which are the shell's
		s := &shell{p.Host, user}
		return s.run(ctx, `"$@"`, args[0], args, p.Env, p.Dir, p.Stdin, p.Stdout, p.Stderr)
	}
	return next.run(ctx)
}

func commandIsBuiltin(name string) bool {
	switch name {
	case "echo", "test", "[", "printf", "true", "false", ":", "cd", "exit":
		return true
	}
	return false
}

// asRoot is sudo, and sudo-g5k: on a node that is one's own they never ask.
func asRoot(ctx context.Context, p *Process) int {
	args := p.Args[1:]
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		flag := args[0]
		args = args[1:]
		switch flag {
		case "-n", "-E", "-H", "--", "-S", "-i":
		default:
			return p.fail(1, "sudo: unrecognized option '%s'", flag)
		}
	}
	next := *p
	next.Env = nil
	for _, e := range p.Env {
		if !strings.HasPrefix(e, "HOME=") && !strings.HasPrefix(e, "USER=") {
			next.Env = append(next.Env, e)
		}
	}
	next.Env = append(next.Env, "HOME=/root", "USER=root", "SUDO_USER="+p.User)
	return next.again(ctx, "root", args)
}

func wrapped(ctx context.Context, p *Process) int {
	args := p.Args[1:]
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		args = args[1:]
	}
	return p.again(ctx, p.User, args)
}

// detached runs a command without waiting for it, when told so.
func detached(ctx context.Context, p *Process) int {
	args, fork := p.Args[1:], false
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		fork = fork || strings.Contains(args[0], "f")
		args = args[1:]
	}
	if !fork {
		return p.again(ctx, p.User, args)
	}
	p.background(args)
	return 0
}

// background runs a command until the machine boots.
func (p *Process) background(args []string) {
	ctx := p.Host.running()
	if ctx == nil {
		return
	}
	next := *p
	next.Stdin, next.Stdout, next.Stderr = null{}, null{}, null{}
	p.Host.work.Go(func() { next.again(ctx, p.User, args) })
}

func systemdRun(ctx context.Context, p *Process) int {
	if p.User != "root" {
		return p.fail(1, "Failed to start transient service unit: Access denied")
	}
	args, wait := p.Args[1:], false
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		flag := args[0]
		args = args[1:]
		wait = wait || flag == "--wait" || flag == "--pipe" || flag == "-P"
		if (flag == "-u" || flag == "-p" || flag == "--unit" || flag == "--property" || flag == "--setenv") && len(args) > 0 && !strings.Contains(flag, "=") {
			args = args[1:]
		}
	}
	if wait {
		return p.again(ctx, p.User, args)
	}
	p.background(args)
	return 0
}

func environment(ctx context.Context, p *Process) int {
	args := p.Args[1:]
	next := *p
	for len(args) > 0 && (strings.Contains(args[0], "=") || strings.HasPrefix(args[0], "-")) {
		if args[0] == "-i" {
			next.Env = nil
		} else {
			next.Env = append(next.Env, args[0])
		}
		args = args[1:]
	}
	if len(args) == 0 {
		for _, e := range next.Env {
			p.say("%s", e)
		}
		return 0
	}
	return next.again(ctx, p.User, args)
}

// subshell is sh and bash: -c SCRIPT ARGS…, a file, or a script on stdin.
func subshell(ctx context.Context, p *Process) int {
	args := p.Args[1:]
	s := &shell{p.Host, p.User}
	prefix := ""
	for len(args) > 0 && strings.HasPrefix(args[0], "-") && args[0] != "-c" && args[0] != "-s" && args[0] != "--" {
		flags := strings.TrimLeft(args[0], "-")
		args = args[1:]
		if flags == "l" || flags == "login" || flags == "noprofile" || flags == "norc" {
			continue
		}
		if rest, ok := strings.CutSuffix(flags, "c"); ok {
			args = append([]string{"-c"}, args...)
			flags = rest
		}
		if flags = strings.ReplaceAll(flags, "l", ""); flags != "" {
			prefix += "set -" + flags + "\n"
		}
	}
	if len(args) > 1 && args[0] == "-c" {
		name, rest := "bash", args[2:]
		if len(rest) > 0 {
			name, rest = rest[0], rest[1:]
		}
		return s.run(ctx, prefix+args[1], name, rest, p.Env, p.Dir, p.Stdin, p.Stdout, p.Stderr)
	}
	if len(args) > 0 && (args[0] == "-s" || args[0] == "--") {
		args = args[1:]
	} else if len(args) > 0 {
		script, err := p.Host.files.ReadFile(p.path(args[0]))
		if err != nil {
			return p.fail(127, "bash: %s: No such file or directory", args[0])
		}
		return s.run(ctx, prefix+string(script), args[0], args[1:], p.Env, p.Dir, p.Stdin, p.Stdout, p.Stderr)
	}
	script, err := readAll(p.Stdin)
	if err != nil {
		return p.fail(1, "bash: %v", err)
	}
	return s.run(ctx, prefix+string(script), "bash", args, p.Env, p.Dir, null{}, p.Stdout, p.Stderr)
}

func timed(ctx context.Context, p *Process) int {
	args := p.Args[1:]
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		if args[0] == "-k" || args[0] == "-s" {
			args = args[1:]
		}
		args = args[1:]
	}
	if len(args) < 2 {
		return p.fail(125, "timeout: missing operand")
	}
	d, err := duration(args[0])
	if err != nil {
		return p.fail(125, "timeout: invalid time interval '%s'", args[0])
	}
	limited, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	code := p.again(limited, p.User, args[1:])
	if limited.Err() != nil && ctx.Err() == nil {
		return 124
	}
	return code
}

func reboot(_ context.Context, p *Process) int {
	if p.User != "root" {
		return p.fail(1, "Failed to set wall message, ignoring: Interactive authentication required.")
	}
	if p.Host.o.Reboot != nil {
		p.Host.o.Reboot(Boot{Off: strings.HasSuffix(p.Args[0], "poweroff")})
	}
	return 0
}

func systemctl(ctx context.Context, p *Process) int {
	for _, word := range p.Args[1:] {
		switch word {
		case "kexec":
			if p.User != "root" || !p.Host.Start() {
				return p.fail(1, "No kexec kernel loaded and autodetection failed.")
			}
			return 0
		case "reboot", "poweroff":
			next := *p
			next.Args = []string{word}
			return reboot(ctx, &next)
		case "is-system-running":
			return p.say("running")
		}
	}
	return 0
}

// kexec loads a kernel, and starts what is loaded.
func kexec(_ context.Context, p *Process) int {
	if p.User != "root" {
		return p.fail(255, "kexec_load failed: Operation not permitted")
	}
	var next Boot
	load, start := false, false
	args := p.Args[1:]
	value := func(flag, arg string, rest *[]string) string {
		if _, v, ok := strings.Cut(arg, "="); ok || len(*rest) == 0 {
			return v
		}
		v := (*rest)[0]
		*rest = (*rest)[1:]
		_ = flag
		return v
	}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		name, _, _ := strings.Cut(arg, "=")
		switch name {
		case "-l", "--load", "-s", "--kexec-file-syscall", "-sl", "-ls", "-a":
			load = load || strings.Contains(name, "l")
		case "-e", "--exec", "-f", "--force":
			start = true
		case "--initrd", "--ramdisk":
			next.Initrd = p.path(value(name, arg, &args))
		case "--command-line", "--append":
			next.CommandLine = value(name, arg, &args)
		case "--reuse-cmdline":
		case "-u", "--unload":
			return 0
		default:
			if strings.HasPrefix(arg, "-") {
				return p.fail(1, "kexec: unrecognized option '%s'", arg)
			}
			next.Kernel, load = p.path(arg), true
		}
	}
	if load {
		if err := p.Host.Load(next); err != nil {
			return p.fail(255, "%v", err)
		}
	}
	if start && !p.Host.Start() {
		return p.fail(255, "Nothing has been loaded!")
	}
	return 0
}

// options splits arguments into flags of one letter each and the others. Flags
// in takes have a value. It returns false, having said so, at any other flag.
func (p *Process) options(known, takes string) (map[byte]string, []string, bool) {
	flags := map[byte]string{}
	var rest []string
	args := p.Args[1:]
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if arg == "--" {
			rest = append(rest, args...)
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			rest = append(rest, arg)
			continue
		}
		for i := 1; i < len(arg); i++ {
			switch c := arg[i]; {
			case strings.IndexByte(takes, c) >= 0:
				if i+1 < len(arg) {
					flags[c] = arg[i+1:]
				} else if len(args) > 0 {
					flags[c], args = args[0], args[1:]
				}
				i = len(arg)
			case strings.IndexByte(known, c) >= 0:
				flags[c] = "yes"
			default:
				p.fail(1, "%s: invalid option -- '%s'", p.Args[0], arg)
				return nil, nil, false
			}
		}
	}
	return flags, rest, true
}

// reason is an error without the operation and the path, which commands say
// themselves.
func reason(err error) string {
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+2:]
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

func mode(text string, otherwise fs.FileMode) fs.FileMode {
	if n, err := strconv.ParseUint(text, 8, 32); err == nil {
		return fs.FileMode(n).Perm()
	}
	return otherwise
}

// octal writes permissions as stat does.
func octal(m fs.FileMode) string { return fmt.Sprintf("%o", m.Perm()) }
