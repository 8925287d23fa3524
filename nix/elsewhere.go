package nix

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// RemoteError says that the machine whose store a project builds in cannot be
// used for that.
type RemoteError struct {
	Store  string // its address
	Reason string // in the words of ssh or Nix
	Remedy string
}

func (e *RemoteError) Error() string {
	return fmt.Sprintf("the store %s cannot be used: %s\n%s", e.Store, e.Reason, e.Remedy)
}

// realiseThere has another machine realise the outputs that are missing here,
// with its own caches and builders, and copies their closures here. What it
// made on the way stays there. When nothing is missing, it is not asked.
func (r *realiser) realiseThere(ctx context.Context, rootDir string) error {
	missing, err := r.missing(ctx)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		if err := r.fromThere(ctx, missing, rootDir); err != nil {
			return err
		}
	}
	return r.root(ctx, r.outputs, rootDir)
}

// missing lists the outputs that are not complete in this machine's store.
func (r *realiser) missing(ctx context.Context) ([]Output, error) {
	var paths []string
	for _, o := range r.outputs {
		paths = append(paths, o.Path)
	}
	valid, err := r.Valid(ctx, paths)
	if err != nil {
		return nil, err
	}
	var missing []Output
	for _, o := range r.outputs {
		if !valid[o.Path] {
			missing = append(missing, o)
		}
	}
	return missing, nil
}

func (r *realiser) fromThere(ctx context.Context, missing []Output, rootDir string) error {
	wanted := realiser{Nix: r.Nix, outputs: missing}
	targets, err := wanted.targets()
	if err != nil {
		return err
	}
	host := r.where.host()
	var drvs, paths []string
	for _, o := range missing {
		drvs, paths = append(drvs, o.Drv), append(paths, o.Path)
	}
	slices.Sort(drvs)
	if err := r.copy(ctx, "what is to be built to "+host, append([]string{"--derivation", "--to", r.where.Remote}, slices.Compact(drvs)...)); err != nil {
		return err
	}
	if err := r.build(ctx, rootDir, nil, append([]string{"--store", r.where.Remote}, targets...)...); err != nil {
		return r.where.explain(err)
	}
	return r.copy(ctx, "what was built from "+host, append([]string{"--from", r.where.Remote, "--no-check-sigs"}, paths...))
}

// copy copies closures between this machine's store and the other's.
func (r *realiser) copy(ctx context.Context, what string, args []string) error {
	r.progress.emit(Event{Kind: EventCopying, Text: what})
	done, expected := 0, 0
	_, err := r.run(ctx, command{
		path:  filepath.Join(filepath.Dir(r.store), "nix"),
		args:  append([]string{"copy", "--extra-experimental-features", "nix-command", "--log-format", "internal-json"}, args...),
		grace: buildGrace, elsewhere: true,
		onLog: func(e logEntry) {
			switch {
			case e.Action == "start" && e.Type == activityCopyPaths:
				if match := copyingPaths.FindStringSubmatch(e.Text); match != nil {
					_, _ = fmt.Sscan(match[1], &expected)
				}
			case e.Action == "start" && e.Type == activityCopyPath:
				r.progress.emit(Event{Kind: EventCopying, Name: storeName(e.str(0)), Done: done, Expected: expected})
				done++
			}
		},
	})
	return r.where.explain(err)
}

// copyingPaths is what Nix says before it copies.
var copyingPaths = regexp.MustCompile(`^copying ([0-9]+) paths?`)

// host is how ssh calls the machine of a remote store.
func (a StoreAddress) host() string {
	host, _, _ := strings.Cut(strings.TrimPrefix(a.Remote, "ssh-ng://"), "?")
	return host
}

// remoteTroubles are what ssh and Nix say when another machine cannot be used,
// and what to do about it.
var remoteTroubles = []struct {
	pattern *regexp.Regexp
	remedy  func(host string) string
}{
	{regexp.MustCompile(`Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED`), func(host string) string {
		return "This machine does not know the other's key, or knows another one. Compare and accept it once: ssh " + host
	}},
	{regexp.MustCompile(`: Permission denied \(`), func(host string) string {
		return fmt.Sprintf("The other machine does not let this user in without asking. \"ssh %s true\" has to work without a question: put a key into ssh's agent or configuration, or name it with ?ssh-key=/path in the store's address.", host)
	}},
	{regexp.MustCompile(`cannot connect to (?:socket|daemon) at`), func(host string) string {
		return fmt.Sprintf("Nix's daemon on that machine does not run, or does not serve that user. See what \"ssh %s nix-store --version\" and its administrator say.", host)
	}},
	{regexp.MustCompile(`Could not resolve hostname|Name or service not known|Connection refused|Connection timed out|No route to host|Network is unreachable|Connection closed by|Connection reset`), func(host string) string {
		return fmt.Sprintf("Check that the machine is on and that \"ssh %s true\" works; ports, users and ways through others belong into ssh's configuration.", host)
	}},
	{regexp.MustCompile(`nix-(?:daemon|store)\S*: (?:command )?not found|nix-daemon: No such file|: not found$|command not found`), func(host string) string {
		return fmt.Sprintf("There is no Nix for that user, or not in the PATH of a shell that is not a login (\"ssh %s nix-daemon --version\" has to work). Install Nix there, or name its program with ?remote-program=/nix/var/nix/profiles/default/bin/nix-daemon in the store's address.", host)
	}},
	{regexp.MustCompile(`lacks a (?:valid )?signature`), func(host string) string {
		return "Nix's daemon takes what is not signed only from users whom it trusts. Either the daemon's own nix.conf names this user in trusted-users; or " + host +
			" signs what it builds (secret-key-files in its nix.conf), and trusted_public_keys in the build block, or in this machine's nix.conf, has its public key."
	}},
	{regexp.MustCompile(`[Pp]ermission denied|not (?:privileged|allowed)|Read-only file system`), func(host string) string {
		return fmt.Sprintf("The user there may not use that machine's Nix. Its administrator lets him, with allowed-users in nix.conf (trusted-users, where what is copied there is refused), or name another user: ssh-ng://USER@%s", host[strings.LastIndexByte(host, '@')+1:])
	}},
}

// connectionPattern is Nix's own word for a way that does not open.
var connectionPattern = regexp.MustCompile(`cannot open connection to remote store|failed to start SSH connection|cannot connect to '|unexpected end-of-file|Nix daemon disconnected|Broken pipe`)

// explain says what to do where the other machine is the trouble. Builds that
// failed there get its name.
func (a StoreAddress) explain(err error) error {
	for _, failed := range buildErrors(err) {
		failed.Host = a.host()
	}
	var failed *CommandError
	if !errors.As(err, &failed) {
		return err
	}
	for _, trouble := range remoteTroubles {
		for _, line := range failed.Stderr {
			if trouble.pattern.MatchString(line) {
				return &RemoteError{Store: a.Remote, Reason: strings.TrimPrefix(line, "error: "), Remedy: trouble.remedy(a.host())}
			}
		}
	}
	for _, line := range failed.Stderr {
		if connectionPattern.MatchString(line) {
			return &RemoteError{Store: a.Remote, Reason: strings.Join(failed.Stderr, "\n  "),
				Remedy: fmt.Sprintf("Check that \"ssh %s nix-daemon --version\" works without a question.", a.host())}
		}
	}
	if trouble := storeError(failed.Stderr); trouble != nil {
		return trouble
	}
	return err
}

func buildErrors(err error) []*BuildError {
	var several BuildErrors
	if errors.As(err, &several) {
		return several
	}
	var one *BuildError
	if errors.As(err, &one) {
		return []*BuildError{one}
	}
	return nil
}

// sshOptions keep ssh from asking questions that nobody hears, and from waiting
// for a machine that is off for longer than people do. What the user's own
// options say comes first, and so counts.
func sshOptions(environ []string) string {
	return strings.TrimSpace(getenv(environ, "NIX_SSHOPTS") + " -o BatchMode=yes -o ConnectTimeout=30")
}
