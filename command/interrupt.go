package command

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// interruptible returns two contexts: soft ends at the first Ctrl-C (start
// nothing new, finish what runs), hard at the second (give up). notice is
// called at each.
func interruptible(ctx context.Context, notice func(times int)) (soft, hard context.Context, stop func()) {
	soft, cancelSoft := context.WithCancel(ctx)
	hard, cancelHard := context.WithCancel(ctx)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// Whoever read our output may be gone: that ends nothing half-way.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	done := make(chan struct{})
	go func() {
		times := 0
		for {
			select {
			case <-signals:
				times++
				notice(times)
				cancelSoft()
				if times >= 2 {
					cancelHard()
				}
			case <-done:
				return
			}
		}
	}()
	return soft, hard, func() {
		signal.Stop(signals)
		close(done)
		cancelSoft()
		cancelHard()
	}
}

// confirm asks a question that only "yes" answers. Ctrl-C is a no.
func confirm(ctx context.Context, env *Env, question string) bool {
	fmt.Fprintf(env.Stdout, "\n%s\n  Only \"yes\" will be accepted: ", question)
	answer := make(chan string, 1)
	go func() {
		line, _ := readLine(env.Stdin)
		answer <- strings.TrimSpace(line)
	}()
	select {
	case line := <-answer:
		return line == "yes"
	case <-ctx.Done():
		fmt.Fprintln(env.Stdout)
		return false
	}
}
