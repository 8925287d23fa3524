#!@busybox@/bin/sh
# Makes a running node take on this system, as NixOS's program of this name
# does, and in its words: units that are gone or changed stop, /etc and the
# users become this system's, and what changed or is new starts.
#
#   switch-to-configuration test          do it
#   switch-to-configuration dry-activate  say what would be done
#
# `switch' is `test', and `boot' does nothing: there is no boot loader here, and
# whoever starts the node says which system it boots. What the running kernel,
# the first process and programs that nobody restarts have is theirs until the
# node is started anew. A status of 4 says that units failed; any other but 0
# that the node is not, or not wholly, what it should be.
export PATH=@busybox@/bin
system=@out@
tree=@tree@
files=$system/etc-files
umask 022

die() { echo "switch-to-configuration: $*" >&2; exit 1; }
say() { echo "$*" >&2; }
systemctl() { /usr/bin/systemctl --no-ask-password --no-pager "$@"; }

case ${1-} in
  test | switch) dry= ;;
  dry-activate) dry=yes ;;
  boot) say "this system has no boot loader; whoever starts the node says what it boots"; exit 0 ;;
  *) die "usage: switch-to-configuration test | switch | boot | dry-activate" ;;
esac
former=$(readlink -f /run/current-system) && [ -e "$former/etc-files" ] ||
  die "no system of this kind runs here"
. "$system/etc.sh"

# One at a time; and what an interrupted one had yet to start is not forgotten.
work=/run/switch-to-configuration
mkdir -p "$work"
if [ -x "$tree/usr/bin/flock" ]; then
  exec 9>"$work/lock"
  "$tree/usr/bin/flock" -n 9 || die "another one is at work on this node"
fi
[ -n "$dry" ] || touch "$work/start" "$work/restart" "$work/reload"

# --- What differs -------------------------------------------------------------

# Every line of every unit, and of the programs that it runs, as UNIT, a tab, and
# the line without the path of the files that hold them all.
sheet() (
  dir=$(readlink -f "$1/etc-files")
  cd "$dir/units/system" || exit
  find . -maxdepth 1 -type l | while read -r link; do
    printf '%s\t-> %s\n' "${link#./}" "$(readlink "$link")"
  done
  find . -type f -print0 | xargs -0 -r awk -v files="$dir" '
    FNR == 1 { unit = FILENAME; sub(/^\.\//, "", unit); sub(/\.d\/[^\/]*$/, "", unit) }
    {
      rest = $0
      while (match(rest, files "/libexec/[^ \"]+")) {
        program = substr(rest, RSTART, RLENGTH)
        rest = substr(rest, RSTART + RLENGTH)
        while ((getline line < program) > 0) { gsub(files, "@", line); print unit "\t" line }
        close(program)
      }
      gsub(files, "@"); print unit "\t" $0
    }'
)

# What became of each unit: gone, changed (it stops before and starts after),
# restart, reload, or kept as it runs.
compare() {
  sheet "$former" >"$work/old"
  sheet "$system" >"$work/new"
  awk -F '\t' -v upstream="$tree/usr/lib/systemd/system/" '
    function there(unit,   line, found) { found = (getline line < (upstream unit)) >= 0; close(upstream unit); return found }
    {
      unit = $1; text = substr($0, length(unit) + 2)
      known[side, unit] = 1; all[unit] = 1
      if (text == "-> /dev/null") masked[side, unit] = 1
      if (text ~ /^X-Reload-Triggers=/) { reloads[side, unit] = text; next }
      if (side == 2 && text ~ /^X-[A-Za-z]*IfChanged=/) wish[unit] = wish[unit] " " text
      body[side, unit] = body[side, unit] "\n" text
    }
    END {
      for (unit in all) {
        if (!((1, unit) in known) && !there(unit)) continue
        if ((1, unit) in masked) continue
        same = body[1, unit] == body[2, unit]
        if ((2, unit) in masked || !((2, unit) in known) && !there(unit)) print "gone " unit
        else if (same && reloads[1, unit] == reloads[2, unit]) continue
        else if (unit ~ /\.(target|slice|device|scope)$/) continue
        else if (wish[unit] ~ /X-RestartIfChanged=false/ || unit ~ /\.(mount|automount|swap)$/) print "kept " unit
        else if (unit ~ /^(dbus|dbus-broker|systemd-journald|systemd-logind|systemd-udevd|user@|user-runtime-dir@).*\.(service|socket)$/) print "kept " unit
        else if (same || wish[unit] ~ /X-ReloadIfChanged=true/) print "reload " unit
        else if (wish[unit] ~ /X-StopIfChanged=false/) print "restart " unit
        else print "changed " unit
      }
    }' side=1 "$work/old" side=2 "$work/new" | sort >"$work/differs"
}

# The units that are active, an instance with its template.
active() {
  systemctl list-units --all --plain --no-legend --state=active,activating,reloading |
    awk '{ print $1 }' | sort
}

# Of the active units those that became this.
that() {
  awk -v what="$1" '
    side == 1 { if ($1 == what) is[$2] = 1; next }
    { template = $1; sub(/@.*\./, "@.", template); if ($1 in is || template in is) print $1 }
  ' side=1 "$work/differs" side=2 "$work/active"
}
listed() { tr '\n' ' ' <"$1" | sed 's/ $//; s/ /, /g'; }
tell() { [ ! -s "$2" ] || say "$1: $(listed "$2")"; }
each() { # verb, file
  [ ! -s "$2" ] || xargs -r /usr/bin/systemctl --no-ask-password --no-pager "$1" -- <"$2"
}

compare
active >"$work/active"
that gone >"$work/gone"
that changed >"$work/changed"
that kept >"$work/kept"
if [ -n "$dry" ]; then
  for what in restart reload; do that $what >"$work/would-$what"; done
  tell "would stop the following units" "$work/gone"
  tell "would NOT restart the following changed units" "$work/kept"
  tell "would reload the following units" "$work/would-reload"
  tell "would restart the following units" "$work/would-restart"
  tell "would stop and start the following units" "$work/changed"
  exit 0
fi
for list in start:changed restart:restart reload:reload; do
  file=$work/${list%%:*}
  that "${list##*:}" | cat "$file" - | sort -u >"$file.new" && mv "$file.new" "$file"
done

# --- Stop -----------------------------------------------------------------------

sort "$work/gone" "$work/changed" >"$work/stop"
tell "stopping the following units" "$work/stop"
each stop "$work/stop"
tell "NOT restarting the following changed units" "$work/kept"

# --- Activation -------------------------------------------------------------------

say "activating the configuration..."
status=0
previous=$former/etc-files

# What only the former system has in /etc goes, unless the node made it its own.
if [ "$former" != "$system" ]; then
  (cd "$previous/etc" && find . ! -type d) | while read -r file; do
    file=${file#./}
    [ ! -L "$files/etc/$file" ] && [ ! -e "$files/etc/$file" ] || continue
    [ "$(readlink "/etc/$file")" = "$previous/etc/$file" ] || continue
    rm -f "/etc/$file"
    (cd /etc && rmdir -p "$(dirname "$file")" 2>/dev/null)
  done
  while read -r mode numbers names file; do
    [ -e "$files/copies/$file" ] || rm -f "/etc/$file"
  done <"$previous/copies.list"
  if [ -s "$former/hosts" ] && ! cmp -s "$former/hosts" "$system/hosts"; then
    awk -v mark="$hosts_mark" -v lines="$(wc -l <"$former/hosts")" '
      $0 == mark { skip = lines + 1 }
      skip > 0 { skip--; next }
      { print }' /etc/hosts >"$work/hosts"
    cat "$work/hosts" >/etc/hosts # which may be a mount
  fi
fi
link_tree
link_etc
copy_etc
add_hosts

# Users: what the node itself made of a line stays, who is gone goes.
added=" $(awk -F: 'side == 1 { has[$1] = 1; next } !($1 in has) { printf "%s ", $1 }' side=1 /etc/passwd side=2 "$files/users/passwd")"
for name in passwd group shadow gshadow; do
  awk -F: '
    side == 1 { former[$1] = $0; next }
    side == 2 { wanted[$1] = $0; order[++n] = $1; next }
    { seen[$1] = 1 }
    $1 in former && !($1 in wanted) { next }
    $1 in former && former[$1] == $0 { print wanted[$1]; next }
    { print }
    END { for (i = 1; i <= n; i++) if (!(order[i] in seen)) print wanted[order[i]] }
  ' side=1 "$previous/users/$name" side=2 "$files/users/$name" side=3 "/etc/$name" >"/etc/$name.new"
  case $name in *shadow) chown 0:318 "/etc/$name.new"; chmod 0640 "/etc/$name.new" ;; esac
  mv "/etc/$name.new" "/etc/$name"
done
set_passwords() {
  while IFS=: read -r user secret; do
    case $added in *" $user "*) printf '%s:%s\n' "$user" "$secret" ;; esac
  done | /usr/bin/chpasswd "$@"
}
ln -sfn "$system" /run/current-system
if ! (. "$system/activate"); then
  say "the activation scripts failed"
  status=2
fi
own_copies

# --- Start ------------------------------------------------------------------------

# What failed of the former system is no news of this one.
systemctl reset-failed
systemctl daemon-reload || status=3
for rules in "$files"/etc/tmpfiles.d/*; do
  cmp -s "$rules" "$previous/etc/tmpfiles.d/${rules##*/}" || [ ! -s "$rules" ] ||
    /usr/bin/systemd-tmpfiles --create --remove "$rules" || status=4
done
tell "reloading the following units" "$work/reload"
each reload-or-restart "$work/reload" || status=4
: >"$work/reload"
tell "restarting the following units" "$work/restart"
each restart "$work/restart" || status=4
: >"$work/restart"
# Wanted units that do not run yet come with the target.
tell "starting the following units" "$work/start"
each start "$work/start" || status=4
: >"$work/start"
systemctl start default.target || status=4

active >"$work/now"
awk 'side == 1 { was[$1] = 1; next } !($1 in was) && /\.(service|timer|socket|path|mount)$/' \
  side=1 "$work/active" side=2 "$work/now" | sort >"$work/started"
tell "the following new units were started" "$work/started"
{
  systemctl list-units --all --plain --no-legend --state=failed
  systemctl list-units --all --plain --no-legend | grep ' auto-restart '
} | awk '{ print $1 }' | sort -u >"$work/failed"
if [ -s "$work/failed" ]; then
  say "warning: the following units failed: $(listed "$work/failed")"
  xargs -r /usr/bin/systemctl --no-pager --full --lines=5 status -- <"$work/failed" >&2
  status=4
fi
exit $status
