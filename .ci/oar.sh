#!/bin/sh
# Runs the tests against a real OAR, from Debian's packages, and says so and does
# nothing where that cannot be. The packages are installed once, into a folder of
# the user's cache; the tests only read it, and nothing else of them stays.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
dir=${XDG_CACHE_HOME:-$HOME/.cache}/nxc/oar-bookworm
PATH=$PATH:/usr/sbin:/sbin
packages="oar-server oar-server-pgsql oar-user oar-user-pgsql oar-node oar-restful-api postgresql apache2
	apache2-suexec-custom openssh-server taktuk tzdata iproute2 procps"

say() { printf 'test-oar: %s\n' "$*" >&2; }
skip() {
	say "skipped: $*"
	exit 0
}

# Where this machine's apt has Debian from: bookworm is there, too.
mirror() {
	apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		awk '$1 == "Debian" && $2 == "Debian" { print $3; exit }'
}

# What runs in namespaces of its own: the installation, whose mounts and
# processes end with it.
install_packages() { # install_packages FOLDER DEBOOTSTRAP MIRROR
	mount --make-rprivate /
	DEBOOTSTRAP_DIR=$2/usr/share/debootstrap "$2/usr/sbin/debootstrap" --variant=minbase \
		--keyring=/usr/share/keyrings/debian-archive-keyring.gpg bookworm "$1" "$3"
	mount -t proc proc "$1/proc"
	cp /etc/resolv.conf /etc/hosts "$1/etc/"
	# How this machine's apt reaches that mirror, and what it makes of old lists.
	apt-config dump | grep -E '^Acquire::(https?|Check-|Retries)' >"$1/etc/apt/apt.conf.d/90host" || true
	printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d" # no service is started
	chmod 755 "$1/usr/sbin/policy-rc.d"
	inside="env DEBIAN_FRONTEND=noninteractive LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin"
	# Words apart, on purpose.
	# shellcheck disable=SC2086
	chroot "$1" $inside apt-get -q update
	# shellcheck disable=SC2086
	chroot "$1" $inside apt-get -q -y -o Dpkg::Options::=--force-unsafe-io install --no-install-recommends $packages
	chroot "$1" apt-get clean
	rm -rf "$1"/var/lib/apt/lists/* "$1/etc/resolv.conf"
	umount "$1/proc"
}

if [ "${1:-}" = install ]; then
	shift
	install_packages "$@"
	exit
fi

[ "$(uname -s)" = Linux ] || skip "namespaces are Linux's"
[ "$(id -u)" = 0 ] || skip "making namespaces and installing packages into a folder need root"
for program in unshare apt-get dpkg-deb chroot; do
	command -v "$program" >/dev/null || skip "there is no program $program"
done
unshare --mount --pid --net --uts --ipc --fork true 2>/dev/null || skip "this machine lets nobody make namespaces"

if [ ! -e "$dir/.whole" ]; then
	[ -n "$(mirror)" ] || apt-get -q update >&2 || true
	from=$(mirror)
	[ -n "$from" ] || skip "this machine's apt knows no Debian"
	[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || skip "there is no debian-archive-keyring"
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp" "$dir.new"' EXIT
	trap 'exit 130' INT TERM
	say "installing OAR into $dir (once; some minutes, 800 MB)"
	(cd "$tmp" && apt-get -q -o APT::Sandbox::User=root download debootstrap >&2) || skip "debootstrap cannot be had"
	dpkg-deb --fsys-tarfile "$tmp"/debootstrap_*.deb | tar -x -C "$tmp"
	rm -rf "$dir.new"
	mkdir -p "$dir.new"
	if ! unshare --mount --pid --fork --kill-child=KILL "$0" install "$dir.new" "$tmp" "$from" >"$tmp/log" 2>&1; then
		tail -n 30 "$tmp/log" >&2
		say "OAR's packages cannot be installed; the end of what apt said is above"
		exit 1
	fi
	rm -rf "$dir"
	mv "$dir.new" "$dir"
	touch "$dir/.whole"
fi

cd "$root"
NXC_OAR=$dir
export NXC_OAR
for package in simulator/realoar .; do # one at a time: so its output is seen as it comes
	"${GO:-.ci/go}" test -count=1 -v -timeout 40m -run '^(TestTraces|TestJobsOnARealOAR)$' "./providers/g5k/$package"
done
