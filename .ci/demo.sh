#!/bin/sh
# The main way through nxc, on a copy of examples/webserver in a temporary
# folder: plan, apply, use, change, destroy. Every command is shown before it
# runs, what it did is checked against the Docker engine itself, and the first
# thing that is not as it should be ends the demo with status 1.
#
# Where no Docker engine answers, machines take the place of the containers, and
# the processes of this host that of the engine.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/nxc-demo.XXXXXX")
started=$(date +%s)
step=0
now="(nothing yet)"
PATH=$root/bin:$PATH
XDG_STATE_HOME=$work/state
export PATH XDG_STATE_HOME

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
	bold=$(printf '\033[1m') plain=$(printf '\033[0m')
else
	bold='' plain=''
fi

heading() {
	step=$((step + 1))
	printf '\n%s== %s. %s ==%s\n' "$bold" "$step" "$1" "$plain"
}

show() { # what is about to run, as one would type it
	now=$1
	printf '\n%s$ %s%s\n' "$bold" "$1" "$plain"
}

run() {
	show "$*"
	"$@"
}

fail() {
	printf '\ndemo: FAILED: %s\n' "$1" >&2
	exit 1
}

# ---- what the engine says, whatever nxc says

uuids() { grep -oE '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}' "$work"/project/nxc.state.json 2>/dev/null | sort -u || true; }

# ours KIND: the objects of one kind that carry one of our deployments' uuids
ours() {
	for uuid in $deployments; do
		case $1 in
		container) docker ps -aq --no-trunc --filter "label=org.nxc.deployment=$uuid" ;;
		*) docker "$1" ls -q --filter "label=org.nxc.deployment=$uuid" ;;
		esac
	done
}

containers() {
	deployments=$(uuids)
	for id in $(ours container); do
		docker inspect --format '{{index .Config.Labels "org.nxc.address"}} {{.Id}} {{.State.StartedAt}}' "$id"
	done | sed 's/^.*\["\(.*\)"\]/\1/'
}

machines() { # their processes: node, uuid, process
	pgrep -af "qemu-system.*$work" | sed -n 's/^\([0-9]*\) .*guest=\([^, ]*\).* -uuid \([^ ]*\) .*/\2 \3 \1/p'
}

# nodes: a line for each node: its name, identifier, and start
nodes() {
	case $flavour in
	docker) containers ;;
	*) machines ;;
	esac | sort
}

# lose NODE: end it behind nxc's back
lose() {
	case $flavour in
	docker)
		show "docker rm -f $1's container"
		docker rm -f "$(nodes | sed -n "s/^$1 \([^ ]*\) .*/\1/p")" >/dev/null
		;;
	*)
		show "kill -9 $1's QEMU"
		kill -9 "$(nodes | sed -n "s/^$1 .* //p")"
		;;
	esac
}

names() { cut -d ' ' -f 1 | tr '\n' ' ' | sed 's/ $//'; }

# differing A B: the nodes that are not alike in both lists
differing() {
	printf '%s\n%s\n' "$1" "$2" | sed '/^$/d' | sort | uniq -u | cut -d ' ' -f 1 | sort -u | tr '\n' ' ' | sed 's/ $//'
}

leftovers() {
	[ "$flavour" = docker ] || return 0
	for kind in container network volume image; do
		for id in $(ours "$kind"); do printf '%s %s\n' "$kind" "$id"; done
	done
}

# ---- the end, good or bad

finish() {
	status=$?
	trap - EXIT INT TERM
	cd "$root"
	if [ "$status" -eq 0 ]; then
		rm -rf "$work"
		exit 0
	fi
	printf '\ndemo: it stopped at: %s\ndemo: removing what it had started\n' "$now" >&2
	deployments=$(uuids)
	nxc -chdir "$work/project" destroy -auto-approve >&2 || true
	left=$(leftovers)
	if [ -n "$left" ]; then
		printf 'demo: still there; remove with docker rm -f, docker network rm, …:\n%s\n' "$left" >&2
	fi
	printf 'demo: its files are kept in %s\n' "$work" >&2
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

cp -R "$root/examples/webserver" "$work/project"
cd "$work/project"
rm -rf .nxc nxc.state.json
deployments=

# Containers are the example's default; machines are asked for.
flavour=docker flags=
if ! docker version >/dev/null 2>&1; then
	flavour=vm-ramdisk flags='-flavour vm-ramdisk'
	printf 'No Docker engine answers: this demo uses machines alone, which takes a few minutes where they are emulated.\n'
fi

printf '%snxc: an environment from plan to destroy%s\n' "$bold" "$plain"
printf 'A copy of examples/webserver, in %s\n' "$work/project"

heading "What is asked for"
show "cat *.nxc.hcl"
cat ./*.nxc.hcl
show "cat composition.nix"
cat composition.nix

heading "What would happen"
run nxc plan $flags

heading "Make it so: Nix builds the systems, and the nodes start"
run nxc apply $flags -auto-approve
first=$(nodes)
[ "$(echo "$first" | names)" = "client1 client2 server" ] || fail "these nodes run: $(echo "$first" | names); want client1 client2 server"

heading "Use it: from a client, by the server's name"
show "nxc exec${flags:+ $flags} client1 -- curl -s http://server/"
tries=0
until page=$(nxc exec $flags client1 -- curl -s http://server/) && [ -n "$page" ]; do
	tries=$((tries + 1))
	[ "$tries" -lt 20 ] || fail "no page from http://server/ in 20 tries"
	sleep 1
done
printf '%s\n' "$page"

heading "A second plan has nothing to do"
show "nxc plan${flags:+ $flags} -detailed-exitcode"
status=0
nxc plan $flags -detailed-exitcode || status=$?
[ "$status" -eq 0 ] || fail "the second plan exits with $status; want 0"

heading "One more client: one node is created, none restarts"
run nxc apply $flags -auto-approve -var clients=3
second=$(nodes)
[ "$(differing "$first" "$second")" = client3 ] || fail "these nodes differ: $(differing "$first" "$second"); want only client3"

heading "A node that was lost comes back"
lose client2
run nxc apply $flags -auto-approve -var clients=3
healed=$(nodes)
[ "$(differing "$second" "$healed")" = client2 ] || fail "these nodes differ: $(differing "$second" "$healed"); want only client2"

heading "Another line in the server's role: only the server is replaced"
edit='s/^\( *\)networking\.firewall\.enable = false;/&\n\1environment.systemPackages = [ pkgs.jq ];/'
mv composition.nix before.nix
show "sed -i '$edit' composition.nix"
sed "$edit" before.nix >composition.nix
diff before.nix composition.nix && fail "the edit changed nothing"
rm before.nix
run nxc plan $flags -var clients=3
run nxc apply $flags -auto-approve -var clients=3
third=$(nodes)
[ "$(differing "$healed" "$third")" = server ] || fail "these nodes differ: $(differing "$healed" "$third"); want only server"

if [ "$flavour" = docker ] && command -v "qemu-system-$(uname -m)" >/dev/null; then
	heading "The same as machines, beside the containers (a minute, without hardware virtualisation)"
	run nxc apply -auto-approve -flavour vm-ramdisk -var clients=1
	show "nxc exec -flavour vm-ramdisk client -- curl -s http://server/"
	tries=0
	until page=$(nxc exec -flavour vm-ramdisk client -- curl -s http://server/) && [ -n "$page" ]; do
		tries=$((tries + 1))
		[ "$tries" -lt 20 ] || fail "no page from the server's machine in 20 tries"
		sleep 1
	done
	printf '%s\n' "$page"
fi

heading "What there is now"
run nxc show

heading "And nothing is left"
deployments=$(uuids)
[ -n "$deployments" ] || fail "the state names no deployment"
run nxc destroy -auto-approve
left=$(leftovers)
[ -z "$left" ] || fail "this is left:
$left"
left=$(pgrep -af "(qemu-system|switch).*$work" || true)
[ -z "$left" ] || fail "these machines or switches still run:
$left"
printf '\nNo container, network, volume, image or machine of it is left.\n'
printf '%sAll of it worked, in %s seconds.%s\n' "$bold" "$(($(date +%s) - started))" "$plain"
