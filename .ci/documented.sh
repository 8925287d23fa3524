#!/bin/sh
# Every command of the binary $1 has a page on the website, and every flag of
# it stands there or among the flags of many commands.
set -eu
nxc=$1
pages=$(cd "$(dirname "$0")/.." && pwd)/website/content/commands
status=0

complain() {
	printf 'documented: %s\n' "$1" >&2
	status=1
}

# Lines between "Commands:" and the closing remark: one or two words, and a
# synopsis, which begins with a capital letter.
commands=$("$nxc" -help 2>/dev/null | sed -n '/^Commands:/,/^"nxc/s/^  \([a-z-]*\( [a-z-]*\)\{0,1\}\)  *[A-Z].*/\1/p')
[ -n "$commands" ] || complain "$nxc -help lists no commands"

while read -r command; do
	page=$pages/${command%% *}.md
	if [ ! -f "$page" ]; then
		complain "nxc $command has no page $page"
		continue
	fi
	# shellcheck disable=SC2086 # two words are two arguments
	for flag in $("$nxc" $command -help </dev/null | sed -n 's/^  \(-[a-z-]*\).*/\1/p'); do
		grep -qwe "$flag" "$page" "$pages/_index.md" || complain "nxc $command: $flag is on no page"
	done
done <<COMMANDS
$commands
COMMANDS
exit "$status"
