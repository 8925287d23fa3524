package host

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"strings"
	"time"
)

// client asks for URLs from the machine.
func (p *Process) client() *http.Client {
	return &http.Client{Timeout: 10 * time.Minute, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			if p.Host.o.Dial == nil {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.ErrDeadlineExceeded}
			}
			return p.Host.o.Dial(ctx, address)
		},
	}}
}

// download asks for an URL and writes what comes.
func (p *Process) download(ctx context.Context, method, url, into string, failing bool) int {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return p.fail(3, "%s: %v", p.Args[0], err)
	}
	resp, err := p.client().Do(req)
	if err != nil {
		return p.fail(7, "%s: (7) %v", p.Args[0], err)
	}
	defer func() { _ = resp.Body.Close() }()
	if failing && resp.StatusCode >= 400 {
		return p.fail(22, "%s: (22) The requested URL returned error: %d", p.Args[0], resp.StatusCode)
	}
	if method == http.MethodHead {
		p.say("HTTP/1.1 %s", resp.Status)
		return 0
	}
	var w io.WriteCloser = printing{p.Stdout}
	if into != "" && into != "-" {
		if w, err = p.create(into, os.O_TRUNC, 0o644); err != nil {
			return p.fail(23, "%s: %s: %s", p.Args[0], into, reason(err))
		}
	}
	_, err = io.Copy(w, resp.Body)
	if e := w.Close(); err == nil {
		err = e
	}
	if err != nil {
		return p.fail(18, "%s: %v", p.Args[0], err)
	}
	return 0
}

// printing writes to an output that stays open.
type printing struct{ io.Writer }

func (printing) Close() error { return nil }

func curl(ctx context.Context, p *Process) int {
	method, into, failing := http.MethodGet, "", false
	var urls []string
	for args := p.Args[1:]; len(args) > 0; args = args[1:] {
		switch arg := args[0]; {
		case arg == "--head":
			method = http.MethodHead
		case arg == "--fail":
			failing = true
		case (arg == "-o" || arg == "--output") && len(args) > 1:
			into, args = args[1], args[1:]
		case (arg == "--max-time" || arg == "--retry" || arg == "-m" || arg == "-H") && len(args) > 1:
			args = args[1:]
		case strings.HasPrefix(arg, "--"):
		case strings.HasPrefix(arg, "-"):
			failing = failing || strings.Contains(arg, "f")
			if strings.Contains(arg, "I") {
				method = http.MethodHead
			}
			if strings.HasSuffix(arg, "o") && len(args) > 1 {
				into, args = args[1], args[1:]
			}
		default:
			urls = append(urls, arg)
		}
	}
	if len(urls) != 1 {
		return p.fail(2, "curl: one URL is known here")
	}
	return p.download(ctx, method, urls[0], into, failing)
}

func wget(ctx context.Context, p *Process) int {
	flags, urls, ok := p.options("qcn", "O")
	if !ok || len(urls) != 1 {
		return p.fail(2, "wget: one URL is known here")
	}
	into := flags['O']
	if into == "" {
		into = path.Base(urls[0])
	}
	return p.download(ctx, http.MethodGet, urls[0], into, true)
}
