package host

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/nixos-compose/nxc/plugins/wire"
)

// passed are the environment variables that every plugin gets: what programs
// need to find files, programs, people's settings and the network.
var passed = []string{
	"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "TMPDIR", "TZ", "LANG", "LANGUAGE", "LC_*", "XDG_*",
	"DOCKER_*", "NIX_*", "OAR_*", "SSH_AUTH_SOCK", "SSH_AGENT_PID", "SSL_CERT_FILE", "SSL_CERT_DIR",
	"NETRC", "GNUPGHOME", "GPG_TTY", "PASSWORD_STORE_*", // where people keep passwords
	"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
}

// environment returns what of environ the plugin gets.
func (o *Options) environment(environ []string) []string {
	name := strings.ToUpper(strings.ReplaceAll(o.Name, "-", "_"))
	patterns := slices.Concat(passed, o.Env, []string{name + "_*", "NXC_" + name + "_*"})
	var env []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if slices.ContainsFunc(patterns, func(p string) bool { return matches(p, name) }) {
			env = append(env, entry)
		}
	}
	return append(env, wire.LogLevel+"="+o.logLevel().String(), wire.HostPID+"="+strconv.Itoa(os.Getpid()))
}

func matches(pattern, name string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, prefix)
	}
	return name == pattern
}

// logLevel returns the least level that the logger takes.
func (o *Options) logLevel() slog.Level {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn} {
		if o.Logger.Enabled(context.Background(), level) {
			return level
		}
	}
	return slog.LevelError
}
