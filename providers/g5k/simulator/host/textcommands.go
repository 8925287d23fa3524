package host

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// Commands that read and write what files hold.

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
