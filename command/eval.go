package command

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"
	"golang.org/x/term"

	"github.com/nixos-compose/nxc/command/view"
	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/internal/marks"
)

func evalCommand(env *Env) *command {
	e := &evaluation{env: env}
	return &command{
		synopsis: "Evaluate an expression of the configuration",
		usage:    "[flags] [EXPRESSION]",
		help: `
Prints the value of an expression, which may use all functions, variables and
local values, and refer to whatever an output may. What exists is read as for
a plan, and nothing is changed; without such references nothing is read.

Without an expression it takes one from each line that is typed, or from
standard input.

Examples:
  nxc eval 'cidrsubnet("10.0.0.0/16", 8, 3)'
  nxc eval 'composition.webserver.node["server"]'
  curl $(nxc eval -raw 'composition.webserver.docker.node["server"].address')
  nxc eval -json 'keys(composition.webserver.node)'
  nxc eval                          ask one after the other`,
		flags: func(fs *flag.FlagSet) {
			e.flags.register(fs)
			fs.BoolVar(&e.raw, "raw", false, "print one value as plain text")
		},
		run: func(ctx context.Context, args []string) int {
			e.json, e.flags.json = e.flags.json, false // of the value alone, as nxc output has it
			soft, _, stop := interruptible(ctx, func(int) {})
			defer stop()
			return e.flags.open(soft, env, "eval", func(p opened) int {
				e.opened = p
				if len(args) > 0 {
					return e.print(soft, strings.Join(args, " "))
				}
				return e.ask(soft)
			})
		},
	}
}

// evaluation prints values of one project.
type evaluation struct {
	opened
	flags   projectFlags
	env     *Env
	raw     bool
	json    bool
	planned *deploy.Planned
}

// ask evaluates line by line. In a terminal a mistake is not the end.
func (e *evaluation) ask(ctx context.Context) int {
	read := e.lines()
	status := exitOK
	for {
		text, err := read()
		switch {
		case errors.Is(err, io.EOF) || ctx.Err() != nil:
			return status
		case err != nil:
			return e.fail("Cannot read the expression", err)
		case strings.TrimSpace(text) == "":
			continue
		}
		if got := e.print(ctx, text); got != exitOK && !e.env.Interactive {
			status = got
		}
		e.view.Flush()
	}
}

// lines reads from standard input; in a terminal with a prompt, history and
// editing.
func (e *evaluation) lines() func() (string, error) {
	file, ok := e.env.Stdin.(*os.File)
	if !ok || !e.env.Interactive {
		in := bufio.NewReader(e.env.Stdin)
		return func() (string, error) {
			line, err := in.ReadString('\n')
			if line != "" {
				err = nil // the last one needs no end
			}
			return line, err
		}
	}
	prompt := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{file, e.env.Stderr}, "> ")
	return func() (string, error) {
		was, err := term.MakeRaw(int(file.Fd()))
		if err != nil {
			return "", err
		}
		defer func() { _ = term.Restore(int(file.Fd()), was) }()
		return prompt.ReadLine()
	}
}

// print evaluates one expression.
func (e *evaluation) print(ctx context.Context, text string) int {
	list, diags := e.Evaluate(ctx, text, e.plan)
	if ctx.Err() != nil {
		return e.interrupted()
	}
	e.view.Diagnostics(diags)
	if diags.HasErrors() {
		return exitError
	}
	if (e.raw || e.json) && len(list) != 1 {
		return e.fail("Several values", fmt.Errorf("the expression has %d values, one for each deployment; choose one with -flavour", len(list)))
	}
	for _, one := range list {
		shown, err := e.text(one.Value)
		if err != nil {
			return e.fail("No such text", err)
		}
		if len(list) > 1 {
			fmt.Fprintf(e.env.Stdout, "%s: ", one.Deployment)
		}
		fmt.Fprint(e.env.Stdout, shown)
	}
	return exitOK
}

// plan is made once, for all that is asked.
func (e *evaluation) plan(ctx context.Context) (*deploy.Planned, hcl.Diagnostics) {
	if e.planned != nil {
		return e.planned, nil
	}
	planned, diags := e.Plan(ctx, deploy.PlanOptions{Look: true})
	if !diags.HasErrors() {
		e.planned = planned
	}
	return planned, diags
}

// text is what is printed of a value.
func (e *evaluation) text(v cty.Value) (string, error) {
	switch {
	case !e.raw && !e.json:
		return view.Lines(v, e.env.Width) + "\n", nil
	case marks.IsSensitive(v):
		return "", errors.New("the value is sensitive; nonsensitive(…) around it says that it may be shown")
	case !v.IsWhollyKnown():
		return "", errors.New("the value is known only after apply")
	case e.json:
		text, err := ctyjson.Marshal(v, v.Type())
		return string(text) + "\n", err
	}
	single, err := convert.Convert(v, cty.String)
	if err != nil || single.IsNull() {
		return "", errors.New("the value is not a single text; use -json")
	}
	return single.AsString(), nil
}
