#!/bin/sh
# Refreshes the samples of output in README.md from a run of the demo:
#
#   make demo | tee demo.log && .ci/samples.sh demo.log
#
# A sample stands between <!-- output: COMMAND --> and <!-- /output -->, and is
# what the first such command printed.
set -eu
[ $# = 1 ] || { echo "usage: .ci/samples.sh DEMO.LOG" >&2; exit 1; }
log=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cd "$(dirname "$0")/.."

# printed COMMAND: the command and its output, without the demo's folder
printed() {
	COMMAND=$1 awk '
		/^\$ / { on = !done && $0 == "$ " ENVIRON["COMMAND"]; if (on) done = 1 }
		/^== / { on = 0 }
		on { text = text $0 "\n" }
		END { gsub(/\n+$/, "\n", text); if (!done) exit 1; printf "%s", text }
	' "$log" | sed "s|/[^ ]*/nxc-demo\.[^/ ]*/project/||g; /^nix: waiting for another nxc/d"
}

tmp=$(mktemp)
trap 'rm -f "$tmp"' EXIT
while IFS= read -r line; do
	case $line in
	"<!-- output: "*" -->")
		command=${line#"<!-- output: "}
		command=${command%" -->"}
		skip=1
		# shellcheck disable=SC2016 # backquotes are Markdown's
		printf '%s\n```console\n%s\n```\n' "$line" "$(printed "$command")"
		;;
	"<!-- /output -->")
		skip=
		printf '%s\n' "$line"
		;;
	*) [ -n "${skip:-}" ] || printf '%s\n' "$line" ;;
	esac
done <README.md >"$tmp"
cat "$tmp" >README.md
