package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/wire"
)

// exitGrace is how long a broken connection may precede the news of the
// process's end.
const exitGrace = 2 * time.Second

// notStarted says why a program could not be started at all.
func notStarted(o *Options, err error) plugins.Diagnostics {
	var detail string
	switch {
	case errors.Is(err, fs.ErrNotExist) && there(o.Path):
		detail = fmt.Sprintf("%s is there, but not what it is started with: the interpreter that its #! line names, or the loader of its libraries, as for programs that were built for another distribution. A Go program needs none when it is built with CGO_ENABLED=0.", o.Path)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, exec.ErrNotFound):
		detail = fmt.Sprintf("There is no program %s any more. Install the plugin again.", o.Path)
	case errors.Is(err, fs.ErrPermission):
		detail = fmt.Sprintf("%s may not be executed. If it is the plugin, make it executable: chmod +x %s", o.Path, o.Path)
	case errors.Is(err, syscall.ENOEXEC):
		detail = fmt.Sprintf("%s is not a program for this machine: it was built for another system or architecture, or it is a script without its #! line.", o.Path)
	default:
		detail = fmt.Sprintf("%s: %v.", o.Path, err)
	}
	return plugins.NewError(fmt.Sprintf("The plugin of provider %s cannot be started", o.Name), detail)
}

func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// explain says why a call failed; it knows the process behind it.
func (c *Client) explain(verb string, err error) plugins.Diagnostics {
	switch status.Code(err) {
	case codes.Unavailable, codes.Internal, codes.Unknown, codes.Canceled:
		if errors.Is(err, context.Canceled) && !c.gone(0) {
			break // ours
		}
		if c.gone(exitGrace) {
			return c.explainEnd(verb)
		}
	case codes.Unimplemented:
		return plugins.NewError(fmt.Sprintf("Provider %s does not offer %s", c.options.Name, verb), "A newer version of the plugin may.")
	}
	d := wire.Explain(verb, err)
	for i := range d {
		d[i].Summary = fmt.Sprintf("Provider %s: %s", c.options.Name, lowerFirst(d[i].Summary))
	}
	return d
}

// gone reports whether the process has ended, waiting a little for the news.
func (c *Client) gone(wait time.Duration) bool {
	select {
	case <-c.process.exited:
		return true
	default:
	}
	if wait == 0 {
		return false
	}
	select {
	case <-c.process.exited:
		return true
	case <-time.After(wait):
		return false
	}
}

// explainEnd tells a crash from an end that we asked for. A crash is told in the
// same words to every call that it hits.
func (c *Client) explainEnd(verb string) plugins.Diagnostics {
	if c.ending.Load() {
		return plugins.NewError(fmt.Sprintf("%s was interrupted: provider %s has been stopped", verb, c.options.Name),
			"Run the command again: what was under way is found again.")
	}
	c.told.Do(func() {
		if late := c.overdue.Load(); late != nil {
			c.death = c.explainOverdue(late)
		} else {
			c.death = plugins.NewError(fmt.Sprintf("Provider %s ended unexpectedly", c.options.Name),
				fmt.Sprintf("It ended with %s during %s.%sRun the command again: what was under way is found again. %s",
					c.process.ending(), verb, c.lastWords(), c.remedy()))
		}
		for i := range c.death {
			c.death[i].Ended = true
		}
	})
	return slices.Clone(c.death)
}

// explainSilence is for a call that had to be answered by now.
func (c *Client) explainSilence(verb string, after time.Duration) plugins.Diagnostics {
	return plugins.NewError(fmt.Sprintf("Provider %s does not answer", c.options.Name),
		fmt.Sprintf("%s took longer than %s; the plugin has been stopped.%s%s", verb, after, c.lastWords(), c.remedy()))
}

// lastWords are the last lines of a plugin that has ended, or is being ended,
// as an indented paragraph, with what parts them from the next sentence.
func (c *Client) lastWords() string {
	select {
	case <-c.process.drained:
	case <-time.After(2 * drainTime):
	}
	lines := c.tail.lines()
	if len(lines) == 0 {
		return " It wrote nothing to its log. "
	}
	return " Its last lines:\n\n  " + strings.Join(lines, "\n  ") + "\n\n"
}

func (c *Client) remedy() string {
	return "If it happens again, set NXC_LOG=debug for more, and tell the author of the provider."
}

func quoteShort(s string) string {
	if len(s) > 80 {
		s = s[:80] + "…"
	}
	return fmt.Sprintf("%q", s)
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}
