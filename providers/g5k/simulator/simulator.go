// Package simulator is a Grid'5000 on this machine: the REST API, the batch
// scheduler behind it, the access machine with the sites' frontends and public
// folders, and nodes that one can log in on.
//
// It is for people who try nxc without an account, and for tests, which can
// break each of its parts on purpose (see Fault and the methods beside it).
// Its answers have the form of the real ones, checked against the API's own
// description. What takes time there takes time on a virtual clock here.
//
// It does not measure anything: its machines are not those it names, and the
// reference data is no source about the real ones.
package simulator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/containers/gvisor-tap-vsock/pkg/virtualnetwork"
	"golang.org/x/crypto/ssh"

	"github.com/nixos-compose/nxc/providers/g5k/simulator/clock"
	"github.com/nixos-compose/nxc/providers/g5k/simulator/platform"
	"github.com/nixos-compose/nxc/providers/g5k/simulator/share"
)

// Options say what is simulated. The zero value is a platform of real size
// whose nodes are in-process, whose clock runs as fast as ours, and which takes
// requests without credentials, as from inside.
type Options struct {
	Listen     string // of the API; 127.0.0.1:0 by default. Everything else is on the same address
	User       string // the one who has an account; "user" by default
	Password   string // what the API asks for; without, it is as from inside
	Keys       []ssh.PublicKey
	Nodes      Kind
	Clusters   map[string]int // those that exist, with their sizes; 0 is the real one
	Speed      float64        // virtual seconds in a real one, 1 by default
	Frozen     bool           // the clock moves only by Advance
	Start      time.Time      // of the clock; now by default
	DeployTime time.Duration  // on the clock, of a deployment; 3 minutes by default
	Machine    Machine        // what nodes of the kind Machines boot
	Run        Program        // what in-process nodes run, besides their own commands
	Watch      func(Exchange) // is told each answer of the API before it is sent, when it is set
	Dir        string         // for files; by default a folder that Close removes
	Log        *slog.Logger   // nothing by default
}

// Simulator is a platform that runs.
type Simulator struct {
	options Options
	log     *slog.Logger
	clock   *clock.Clock
	sites   map[string]*site
	names   []string // of the sites, sorted
	faults  *faults
	record  *record
	dir     string
	seed    [32]byte // of the machines' first keys

	mu     sync.Mutex
	hosts  map[string]*hostOf // machines by their full name
	closed bool

	api, public  *http.Server
	listeners    []net.Listener
	base         string // of the API
	publicURL    string
	access       *accessMachine
	wires        *wires                         // of nodes that are namespaces
	lan          *virtualnetwork.VirtualNetwork // of nodes that are machines
	lanPublic    *http.Server
	lanListeners []net.Listener
	homes        *share.Server // by NFS
	ctx          context.Context
	stop         context.CancelFunc
	work         sync.WaitGroup
}

// Start starts a platform.
func Start(o Options) (*Simulator, error) {
	o = o.orDefaults()
	sites, err := platform.Sites(o.Clusters)
	if err != nil {
		return nil, err
	}
	s := &Simulator{
		options: o, log: o.Log, clock: clock.New(o.Start, o.speed()), sites: map[string]*site{}, hosts: map[string]*hostOf{},
		faults: newFaults(), record: &record{}, dir: o.Dir,
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	if err := s.begin(sites); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (o Options) orDefaults() Options {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.User == "" {
		o.User = "user"
	}
	if o.Nodes == "" {
		o.Nodes = Process
	}
	if o.Start.IsZero() {
		o.Start = time.Now().Truncate(time.Second)
	}
	if o.DeployTime == 0 {
		o.DeployTime = 3 * time.Minute
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) speed() float64 {
	switch {
	case o.Frozen:
		return 0
	case o.Speed == 0:
		return 1
	}
	return o.Speed
}

// begin makes the folder, the sites and their machines, and listens.
func (s *Simulator) begin(sites []platform.Site) error {
	if s.dir == "" {
		dir, err := os.MkdirTemp("", "nxc-g5k-sim-")
		if err != nil {
			return err
		}
		s.dir = dir
	}
	if err := s.drawSeed(); err != nil {
		return err
	}
	for i, p := range sites {
		s.sites[p.Name] = s.newSite(p, 1_000_000*(i+1)+1)
		s.names = append(s.names, p.Name)
	}
	slices.Sort(s.names)
	if err := s.startNodes(sites); err != nil {
		return err
	}
	if err := s.startAccess(); err != nil {
		return err
	}
	return s.listen()
}

// listen serves the API and the public folders.
func (s *Simulator) listen() error {
	l, err := net.Listen("tcp", s.options.Listen)
	if err != nil {
		return err
	}
	address, _, _ := net.SplitHostPort(l.Addr().String())
	p, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		return errors.Join(err, l.Close())
	}
	s.base, s.publicURL = "http://"+l.Addr().String(), "http://"+p.Addr().String()
	s.api = &http.Server{Handler: s.handler(), ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
	s.public = &http.Server{Handler: s.publicHandler(), ReadHeaderTimeout: time.Minute}
	s.listeners = append(s.listeners, l, p)
	s.work.Go(func() { _ = s.api.Serve(l) })
	s.work.Go(func() { _ = s.public.Serve(p) })
	return nil
}

// API returns the base URL of the API, up to its version.
func (s *Simulator) API() string { return s.base + "/stable" }

// Control returns the URL below which faults are made, see control.go.
func (s *Simulator) Control() string { return s.base + "/sim" }

// Gateway returns the address of the access machine's ssh server.
func (s *Simulator) Gateway() string { return s.access.address() }

// KnownHosts returns the path of a file that knows the access machine, the
// frontends, and the nodes as they are before anything is deployed.
func (s *Simulator) KnownHosts() string { return filepath.Join(s.dir, "known_hosts") }

// PublicURL returns the URL of the public folders: below it are /SITE/~USER/.
// What the platform fetches itself it finds as http://public.SITE.grid5000.fr.
func (s *Simulator) PublicURL() string { return s.publicURL }

// Home returns the folder that is the user's home at a site.
func (s *Simulator) Home(site string) string {
	return filepath.Join(s.dir, "home", site, s.options.User)
}

// Now returns the virtual time.
func (s *Simulator) Now() time.Time { return s.clock.Now() }

// Advance moves the clock forward.
func (s *Simulator) Advance(d time.Duration) { s.clock.Advance(d) }

// Close ends everything, and removes what Start made.
func (s *Simulator) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.clock.Close()
	s.stop()
	var errs []error
	for _, server := range []*http.Server{s.api, s.public} {
		if server != nil {
			errs = append(errs, server.Close())
		}
	}
	if s.access != nil {
		s.access.close()
	}
	errs = append(errs, s.closeHosts())
	s.work.Wait()
	if s.options.Dir == "" && s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// site finds a site by its name.
func (s *Simulator) site(name string) (*site, error) {
	if t := s.sites[name]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("there is no site %s", name)
}
