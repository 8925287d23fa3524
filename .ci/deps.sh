#!/bin/sh
# Brings what building, testing and the demo need, from the distribution's own
# packages: Go, Nix, a Docker engine that answers, QEMU, Python, a static busybox,
# and what only tests run, such as stock Compose and Podman.
#
# On Debian and Ubuntu, as root or through sudo, it installs what is missing;
# on any other system it says exactly what to install and stops. It changes
# nothing else on the host but one limit of the kernel, which tests of many nodes
# need, and does nothing when everything is there.
#
# "deps.sh demo" does without an engine that cannot be had, as the demo does.
#
# Functions here are called as conditions, where `set -e` does not reach, so
# each passes a failure on by itself.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
PATH=$PATH:/usr/sbin:/sbin:/nix/var/nix/profiles/default/bin:${HOME:-}/.nix-profile/bin
go=$root/.ci/go

say() { printf 'deps: %s\n' "$*" >&2; }
die() {
	say "$1"
	shift
	for line in "$@"; do printf '      %s\n' "$line" >&2; done
	[ -z "${missing:-}" ] || say "missing as well:$missing"
	exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# ---- who we are, and where

debian_like() {
	[ -r /etc/os-release ] && have apt-get &&
		(. /etc/os-release && case " ${ID:-} ${ID_LIKE:-} " in *" debian "* | *" ubuntu "*) true ;; *) false ;; esac)
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif have sudo && [ -t 0 ]; then
		sudo "$@"
	else
		sudo -n "$@"
	fi
}

may_install() {
	debian_like || return 1
	[ "$(id -u)" = 0 ] || { have sudo && { [ -t 0 ] || sudo -n true 2>/dev/null; }; }
}

# ---- packages

# The lists are fetched when there are none, or when they are a day old and
# something is about to be installed: an old list names packages that are gone.
update_lists() {
	if [ -n "$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' 2>/dev/null | head -n 1)" ] &&
		[ -n "$(find /var/lib/apt/lists/partial -maxdepth 0 -mtime -1 2>/dev/null)" ]; then
		return 0
	fi
	fetch_lists
}

fetch_lists() {
	say "fetching the package lists (apt-get update)"
	as_root apt-get -q -o DPkg::Lock::Timeout=300 update >&2
}

apt_install() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
		install --no-install-recommends "$@" >&2
}

install_packages() {
	update_lists || return 1
	say "installing $* (apt-get install)"
	apt_install "$@" && return 0
	fetch_lists || return 1
	apt_install "$@"
}

candidate() { apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: *//p' | grep -v '^(none)$'; }

# ---- Go

# Debian's own Go is often older than go.mod asks. From 1.21 on that does not
# matter; an older one still fetches and checks the toolchain as a module.
ensure_go() {
	"$go" version >/dev/null 2>&1 && return 0
	may_install || return 1
	if ! have go && [ ! -x /usr/local/go/bin/go ]; then
		install_packages golang-go ca-certificates || return 1
		"$go" version >/dev/null 2>&1 && return 0
	fi
	bootstrap_go
}

bootstrap_go() {
	want=$(sed -n 's/^go \([0-9.]*\)$/\1/p' go.mod)
	old=$(command -v go || echo /usr/local/go/bin/go)
	toolchain=golang.org/toolchain@v0.0.1-go$want.$("$old" env GOOS)-$("$old" env GOARCH)
	say "fetching Go $want through the Go module proxy"
	(cd / && GOFLAGS=-modcacherw GO111MODULE=on "$old" mod download "$toolchain" >&2) || return 1
	dir=$("$old" env GOMODCACHE)/$toolchain
	chmod +x "$dir"/bin/* "$dir"/pkg/tool/*/*
	mkdir -p bin/tools
	ln -sfn "$dir" bin/tools/go
	"$go" version >/dev/null
}

# ---- Nix

ensure_nix() {
	if ! have nix-instantiate; then
		may_install || return 1
		# The daemon's set-up is for ordinary users; root works without.
		if [ "$(id -u)" != 0 ] && [ -d /run/systemd/system ]; then
			install_packages nix-bin nix-setup-systemd || return 1
		else
			install_packages nix-bin || return 1
		fi
	fi
	[ "$(id -u)" = 0 ] && return 0
	nix_answers || nix_refused
}

# Without a daemon, and where there is no /nix yet, Nix keeps an ordinary user's
# store in the user's home.
nix_answers() {
	nix-store --query --hash /nix/store >/dev/null 2>"$tmp/nix" && return 0
	! grep -qi 'permission denied\|cannot connect' "$tmp/nix"
}

nix_refused() {
	reason="$(id -un) may not use Nix: $(grep -i 'permission denied\|cannot connect' "$tmp/nix" | head -n 1)"
	if grep -qi 'daemon-socket.*permission denied' "$tmp/nix"; then
		join "$(stat -c %G /nix/var/nix/daemon-socket 2>/dev/null || echo nix-users)" "$reason"
		return 0
	fi
	if may_install && [ -d /run/systemd/system ]; then
		[ -e /etc/nix/nix.conf ] || install_packages nix-setup-systemd || return 1
		say "starting Nix's daemon (systemctl start nix-daemon.socket)"
		as_root systemctl start nix-daemon.socket && nix_answers && return 0
	fi
	die "$reason" "The store is root's, and Nix's daemon, which lets others use it, does not run." \
		"With systemd: sudo apt-get install nix-setup-systemd, then sudo systemctl start nix-daemon." \
		"Without: sudo apt-get install nix-setup-systemd, then sudo sh -c 'nix-daemon &'." \
		"Or run the same command as root."
}

# ---- groups: becoming a member is the user's to decide, and takes a new login,
# so all that have to be joined are told together, at the end.

join() { # join GROUP REASON
	groups=${groups:+$groups,}$1
	say "$2"
}

tell_groups() {
	[ -n "${groups:-}" ] || return 0
	die "$(id -un) has to be a member of: $groups" \
		"sudo usermod -aG $groups $(id -un), then log in again, or go on in: sudo -iu $(id -un)" \
		"Then type the same command once more. Or run it as root."
}

# ---- Docker

engine_answers() {
	have docker && docker version --format '{{.Server.Version}}' >/dev/null 2>"$tmp/docker"
}

ensure_docker() {
	# The engine asks the host's ps which processes a container has.
	if ! have ps && may_install; then
		install_packages procps || return 1
	fi
	engine_answers && return 0
	if [ -n "${DOCKER_HOST:-}" ]; then
		have docker || echo "there is no program docker to ask it with" >"$tmp/docker"
		die "no Docker engine answers at DOCKER_HOST=$DOCKER_HOST: $(tail -n 1 "$tmp/docker" 2>/dev/null)" \
			"Start that engine, or unset DOCKER_HOST to use the local one."
	fi
	if ! have docker || { ! have dockerd && [ ! -S /var/run/docker.sock ]; }; then
		may_install || return 1
		update_lists || return 1
		# Newer releases package the client apart from the engine.
		client=$(candidate docker-cli || true)
		install_packages docker.io iptables ca-certificates ${client:+docker-cli} || return 1
		engine_answers && return 0
	fi
	if grep -qi 'permission denied' "$tmp/docker" 2>/dev/null; then
		docker_denied
		return
	fi
	[ "$(uname -s)" = Linux ] || return 1
	start_engine
	engine_answers || docker_denied
}

docker_denied() {
	reason="the Docker engine refuses $(id -un): $(tail -n 1 "$tmp/docker")"
	if [ "$(id -u)" != 0 ] && grep -qi 'permission denied' "$tmp/docker"; then
		join "$(stat -c %G /var/run/docker.sock 2>/dev/null || echo docker)" "$reason"
		return 0
	fi
	die "$reason" "See: docker version"
}

start_engine() {
	if [ -d /run/systemd/system ]; then
		say "starting Docker (systemctl start docker)"
		as_root systemctl start docker || die "Docker does not start" "See: journalctl -u docker"
	else
		say "starting Docker (dockerd; its log is /var/log/dockerd.log)"
		as_root "$root/.ci/dockerd.sh" || die "dockerd did not start; the end of its log is above" \
			"A container needs to be privileged to run an engine of its own; or set DOCKER_HOST to another one."
	fi
	wait_for_engine 60
}

wait_for_engine() {
	waited=0
	until as_root docker version --format '{{.Server.Version}}' >/dev/null 2>"$tmp/wait"; do
		[ "$waited" -lt "$1" ] || die "no Docker engine after $1 s: $(tail -n 1 "$tmp/wait")" "See /var/log/dockerd.log, or journalctl -u docker."
		[ $((waited % 10)) -ne 5 ] || say "waiting for the Docker engine to answer ($waited of $1 s)"
		sleep 1
		waited=$((waited + 1))
	done
}

# ---- busybox: builders inside Nix's sandbox are static programs

# The package replaces a dynamic busybox, which is the user's to decide: nxc
# then unpacks its own.
ensure_busybox() {
	have busybox && return 0
	may_install || return 1
	install_packages busybox-static
}

# ---- QEMU: what runs machines; kvm is used where it works, and not needed

ensure_qemu() {
	have "qemu-system-$(uname -m)" && have qemu-img && return 0
	may_install || return 1
	case $(uname -m) in
	aarch64) install_packages qemu-system-arm qemu-utils ;;
	*) install_packages qemu-system-x86 qemu-utils ;;
	esac
}

# ---- Python: what runs test scripts

ensure_python() { have python3 || { may_install && install_packages python3; }; }

# ---- what only tests run: stock Compose, engines of Podman and without root, ssh,
# certificates, cables

# Without one of these its tests are skipped, so a release that lacks it, or a
# failure, is not ours to report.
ensure_for_tests() {
	may_install || return 0
	packages=
	for one in docker-compose:docker-compose podman:podman openssl:openssl ssh:openssh-client \
		ip:iproute2 tc:iproute2 curl:curl zstd:zstd \
		setpriv:util-linux rootlesskit:rootlesskit slirp4netns:slirp4netns newuidmap:uidmap \
		tesseract:tesseract-ocr tmux:tmux script:bsdutils; do
		have "${one%%:*}" || packages="$packages ${one#*:}"
	done
	# For the distribution's own Python: another one in PATH may hide it.
	for one in ptpython:ptpython IPython:python3-ipython; do
		/usr/bin/python3 -c "import ${one%%:*}" 2>/dev/null || packages="$packages ${one#*:}"
	done
	for one in netavark aardvark-dns; do # Podman's, kept out of PATH
		[ -x "/usr/lib/podman/$one" ] || have "$one" || packages="$packages $one"
	done
	[ -n "$packages" ] || return 0
	update_lists || return 0
	there=
	for package in $packages; do
		[ -z "$(candidate "$package")" ] || there="$there $package"
	done
	# Words apart, on purpose.
	# shellcheck disable=SC2086
	[ -z "$there" ] || install_packages $there || say "tests that need one of$there are skipped"
}

# A systemd in a container takes six instances of inotify, and kernels allow a
# user 128: fifty nodes beside the other tests need more. It is as before after
# the next boot.
raise_limits() {
	limit=/proc/sys/fs/inotify/max_user_instances
	[ -w "$limit" ] || may_install || return 0
	[ "$(cat "$limit")" -lt 1024 ] || return 0
	say "allowing more instances of inotify until the next boot (fs.inotify.max_user_instances=1024)"
	echo 1024 | as_root tee "$limit" >/dev/null || return 0
}

# ---- ssh: what nodes that are network namespaces run, see providers/g5k/simulator

# The package would start a server on this host, so its files are unpacked, and
# only into the repository.
ensure_sshd() {
	{ [ -x /usr/sbin/sshd ] || [ -x bin/tools/openssh/usr/sbin/sshd ]; } && return 0
	have apt-get && have dpkg-deb || return 1
	update_lists || return 1
	say "unpacking openssh-server into bin/tools (apt-get download)"
	# With the libraries that are not here: which they are differs between releases.
	packages=$(apt-get -qq -s --no-install-recommends install openssh-server | sed -n -E 's/^Inst (openssh-server|lib[^ ]*) .*/\1/p')
	# Words apart, on purpose.
	# shellcheck disable=SC2086
	(cd "$tmp" && apt-get -q -o APT::Sandbox::User=root download ${packages:-openssh-server} >&2) || return 1
	rm -rf bin/tools/openssh.new
	mkdir -p bin/tools/openssh.new
	for package in "$tmp"/*.deb; do
		dpkg-deb --fsys-tarfile "$package" | tar -x -C bin/tools/openssh.new ./usr || return 1
	done
	rm -rf bin/tools/openssh
	mv bin/tools/openssh.new bin/tools/openssh
}

# ---- all of it

missing=
need() { # need NAME WHERE COMMAND…
	name=$1 where=$2
	shift 2
	"$@" || missing="$missing
  $name: $where"
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

need Go "https://go.dev/dl/ (any from 1.21 on fetches the right one by itself)" ensure_go
need Nix "https://nixos.org/download/ (2.8 or newer)" ensure_nix
need Python "https://www.python.org/downloads/ (3.8 or newer), for tests" ensure_python
need QEMU "https://www.qemu.org/download/ (7.2 or newer)" ensure_qemu
if [ "${1:-}" = demo ]; then
	(
		groups=
		ensure_docker && tell_groups
	) || say "no Docker engine can be had, and the demo uses machines alone"
else
	need Docker "https://docs.docker.com/engine/install/ (20.10 or newer), started" ensure_docker
fi
if [ "$(uname -s)" = Linux ] && debian_like; then
	need busybox "a static one, in PATH" ensure_busybox
	[ "${1:-}" = demo ] || {
		ensure_for_tests
		ensure_sshd || say "no OpenSSH server can be had, and tests with network namespaces are skipped"
	}
fi
[ "${1:-}" = demo ] || raise_limits

if [ -n "$missing" ]; then
	say "these are missing; please install them:$missing"
	if debian_like; then
		say "on Debian and Ubuntu as root: apt-get install golang-go nix-bin docker.io busybox-static python3 qemu-system-x86 qemu-utils"
		say "run as root, or where sudo works, make does it itself"
	fi
	exit 1
fi

tell_groups

# Last, because it takes Go and Nix: what the embedded nixpkgs is made of. nxc
# fetches it by itself at its first use, so a failure is not ours to report.
if [ "$(uname -s)" = Linux ] && debian_like; then
	"$go" run ./nix/standin/fetch ||
		say "the embedded nixpkgs is not prepared; examples and tests that need it will say why"
fi
