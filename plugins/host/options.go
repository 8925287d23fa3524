// Package host starts provider plugins and ends them: it finds their programs,
// pins them by checksum, launches them as child processes, and explains what
// went wrong when one crashes, hangs or is no plugin at all.
//
// What it returns is a plugins.Provider; how calls travel is plugins/wire. It
// decides nothing about deployments.
package host

import (
	"cmp"
	"log/slog"
	"time"

	"github.com/nixos-compose/nxc/plugins"
)

// Options say which plugin to start, and how.
type Options struct {
	Name string   // of the provider, such as "docker"
	Path string   // of the program; for a provider in the tree, nxc itself
	Args []string // such as "plugin", "docker"
	Dir  string   // working directory; "": ours

	// Env names further environment variables that the plugin gets, besides
	// those that every plugin gets and those that begin with its own name in
	// capitals (DOCKER_…). A name that ends in * stands for all that begin so.
	Env []string

	// Checksum is what the program must have, as Checksum returns it; "" is anything.
	Checksum string

	// Cache is a folder where schemas are kept by the program's checksum; ""
	// asks the plugin each time.
	Cache string

	// Schema is the plugin's schema when it is known already.
	Schema *plugins.Schema

	// Sockets is a short folder, the user's own, where plugins' sockets lie
	// until their commands end; "" is the temporary folder.
	Sockets string

	Logger *slog.Logger // what the plugin logs; nil: nowhere

	StartTimeout     time.Duration // until the plugin has said hello; 0: 20 s
	SchemaTimeout    time.Duration // 0: 20 s
	ConfigureTimeout time.Duration // 0: 2 min

	// CallTimeout is how long the plugin may say nothing in a call that is no
	// operation. Each answer of a call about many objects is a sign of life, and
	// so is what it tells in Watch. 0: 10 min
	CallTimeout time.Duration
	Notice      time.Duration // such a silence is told after this, again and again; 0: 10 s

	// Grace is how long an operation whose time is over may go on once it was
	// asked to end, and how long again once the whole plugin was. Then the
	// plugin is ended by force. 0: 5 s.
	Grace time.Duration
}

func (o *Options) setDefaults() {
	o.StartTimeout = cmp.Or(o.StartTimeout, 20*time.Second)
	o.SchemaTimeout = cmp.Or(o.SchemaTimeout, 20*time.Second)
	o.ConfigureTimeout = cmp.Or(o.ConfigureTimeout, 2*time.Minute)
	o.CallTimeout = cmp.Or(o.CallTimeout, 10*time.Minute)
	o.Notice = cmp.Or(o.Notice, 10*time.Second)
	o.Grace = cmp.Or(o.Grace, 5*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}
