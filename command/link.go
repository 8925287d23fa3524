package command

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/nixos-compose/nxc/deploy"
	"github.com/nixos-compose/nxc/plugins"
)

func linkCommand(env *Env) *command {
	var f projectFlags
	var l plugins.Link
	var loss, rate string
	return &command{
		synopsis: "Make the network of nodes worse, or good again",
		usage:    "[flags] NODE…",
		help: `
Changes the quality of nodes' networks: what they send is delayed, lost or
slowed down, or nothing passes at all. Each call replaces what the one before
said; without such a flag the network is as good as ever. It holds until then,
or until the node starts anew.

Examples:
  nxc link server -delay 50ms -loss 1%
  nxc link client1 client2 -rate 10mbit
  nxc link server -block
  nxc link server`,
		flags: func(fs *flag.FlagSet) {
			f.register(fs)
			fs.BoolVar(&l.Block, "block", false, "let nothing pass")
			fs.DurationVar(&l.Delay, "delay", 0, "what is sent arrives so much later: a `DURATION` such as 50ms")
			fs.StringVar(&loss, "loss", "", "lose so many of the packets: a `PERCENTAGE` such as 0.5%")
			fs.StringVar(&rate, "rate", "", "send no more than so many bits a second: a `RATE` such as 10mbit, 1gbit")
		},
		run: func(ctx context.Context, args []string) int {
			want, err := linkOf(l, loss, rate)
			if err == nil && len(args) == 0 {
				err = fmt.Errorf("name nodes, such as: nxc link server -delay 50ms")
			}
			if err != nil {
				fmt.Fprintf(env.Stderr, "nxc link: %v\n", err)
				return exitError
			}
			return f.onNodes(ctx, env, "link", args, func(ctx context.Context, o opened, nodes []*deploy.RunningNode) hcl.Diagnostics {
				var mu sync.Mutex
				var diags hcl.Diagnostics
				var all sync.WaitGroup
				for _, n := range nodes {
					all.Go(func() {
						more := o.Link(ctx, n, want)
						mu.Lock()
						defer mu.Unlock()
						diags = append(diags, more...)
					})
				}
				all.Wait()
				return diags
			})
		},
	}
}

// linkOf completes a link with what flags say in words.
func linkOf(l plugins.Link, loss, rate string) (plugins.Link, error) {
	if l.Delay < 0 || l.Delay > time.Hour {
		return l, fmt.Errorf("-delay is between 0s and 1h, not %s", l.Delay)
	}
	if loss != "" {
		percent, err := strconv.ParseFloat(strings.TrimSuffix(loss, "%"), 64)
		if err != nil || percent < 0 || percent > 100 {
			return l, fmt.Errorf("-loss is a percentage such as 0.5%%, not %q", loss)
		}
		l.Loss = percent / 100
	}
	if rate != "" {
		bits, err := bitRate(rate)
		if err != nil {
			return l, err
		}
		l.Rate = bits
	}
	return l, nil
}

func bitRate(text string) (int64, error) {
	units := []struct {
		suffix string
		factor float64
	}{{"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}, {"bit", 1}}
	for _, u := range units {
		number, ok := strings.CutSuffix(strings.ToLower(text), u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || n*u.factor < 8 {
			break
		}
		return int64(n * u.factor), nil
	}
	return 0, fmt.Errorf("-rate is a number of bits a second such as 10mbit or 1gbit, not %q", text)
}
