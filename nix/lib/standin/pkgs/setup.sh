# What every builder of the stand-in runs: a small standard environment for the
# busybox shell. It ends with `exit`, so that no program that closes its streams
# early is the last to run.
set -e
umask 022
PATH=$busybox/bin
export PATH
export HOME=/homeless-shelter
export SOURCE_DATE_EPOCH=1
[ -n "${TZ-}" ] || export TZ=UTC

# Programs that a derivation names as inputs come first. Those of the host's
# distribution run through their own loader, because a sandbox has none.
wrappers=$NIX_BUILD_TOP/.wrappers
mkdir -p "$wrappers"
for pair in ${wrappedPrograms-}; do
  name=${pair%%=*} target=${pair#*=}
  printf '#!%s/bin/sh\nexec %s --argv0 %s --library-path %s %s "$@"\n' \
    "$busybox" "$hostLoader" "$target" "$hostLibraries" "$target" >"$wrappers/$name"
  chmod +x "$wrappers/$name"
done
for input in ${nativeBuildInputs-} ${buildInputs-}; do
  [ -d "$input/bin" ] && PATH=$input/bin:$PATH
done
PATH=$wrappers:$PATH

# Runs a function, or the text of a variable of that name.
runHook() {
  if type "$1" 2>/dev/null | grep -q function; then "$1"; return; fi
  eval "hook=\${$1-}"
  [ -z "$hook" ] || eval "$hook"
}

substituteInPlace() {
  local file=$1
  shift
  substitute "$file" "$file" "$@"
}

# substitute INPUT OUTPUT --replace OLD NEW | --subst-var NAME | --subst-var-by NAME VALUE
substitute() {
  local input=$1 output=$2 text old new
  shift 2
  text=$(cat "$input"; echo x)
  text=${text%x}
  while [ $# -gt 0 ]; do
    case $1 in
      --replace | --replace-fail | --replace-warn | --replace-quiet) old=$2 new=$3; shift 3 ;;
      --subst-var) old="@$2@"; eval "new=\$$2"; shift 2 ;;
      --subst-var-by) old="@$2@" new=$3; shift 3 ;;
      *) echo "substitute: unknown argument $1" >&2; return 1 ;;
    esac
    case $text in
      *"$old"*) ;;
      *) echo "substitute: $old is not in $input" >&2 ;;
    esac
    text=$(printf '%s' "$text" | OLD=$old NEW=$new awk '
      BEGIN { RS = "\001"; old = ENVIRON["OLD"]; new = ENVIRON["NEW"] }
      { rest = $0
        while ((i = index(rest, old)) > 0) {
          printf "%s%s", substr(rest, 1, i - 1), new
          rest = substr(rest, i + length(old))
        }
        printf "%s", rest }'; echo x)
    text=${text%x}
  done
  printf '%s' "$text" >"$output.new"
  [ ! -x "$input" ] || chmod +x "$output.new"
  mv "$output.new" "$output"
}

# wrapProgram FILE --prefix NAME SEPARATOR VALUE | --set NAME VALUE | …
makeWrapper() {
  local target=$1 wrapper=$2
  shift 2
  mkdir -p "$(dirname "$wrapper")"
  {
    echo "#!$shell"
    while [ $# -gt 0 ]; do
      case $1 in
        --prefix) echo "export $2='$4'\${$2:+$3\$$2}"; shift 4 ;;
        --suffix) echo "export $2=\${$2:+\$$2$3}'$4'"; shift 4 ;;
        --set) echo "export $2='$3'"; shift 3 ;;
        --set-default) echo "export $2=\${$2-'$3'}"; shift 3 ;;
        --unset) echo "unset $2"; shift 2 ;;
        --run) echo "$2"; shift 2 ;;
        --add-flags) flags="${flags-} $2"; shift 2 ;;
        *) echo "makeWrapper: unknown argument $1" >&2; return 1 ;;
      esac
    done
    echo "exec '$target'${flags-} \"\$@\""
  } >"$wrapper"
  chmod +x "$wrapper"
}

wrapProgram() {
  local program=$1 hidden
  shift
  hidden=$(dirname "$program")/.$(basename "$program")-wrapped
  mv "$program" "$hidden"
  makeWrapper "$hidden" "$program" "$@"
}

installBin() { mkdir -p "$out/bin"; cp "$@" "$out/bin"; chmod +x "$out/bin"/*; }

unpackOne() {
  if [ -d "$1" ]; then
    cp -r "$1" "$(basename "$1" | sed 's/^[0-9a-z]\{32\}-//')"
  else
    case $1 in
      *.tar | *.tar.* | *.tgz) tar -xf "$1" ;;
      *.zip) unzip -q "$1" ;;
      *) cp "$1" "$(basename "$1" | sed 's/^[0-9a-z]\{32\}-//')" ;;
    esac
  fi
  chmod -R u+w .
}

unpackPhase() {
  runHook preUnpack
  for archive in ${srcs:-${src-}}; do unpackOne "$archive"; done
  if [ -n "${sourceRoot-}" ]; then
    cd "$sourceRoot"
  else
    for entry in *; do [ ! -d "$entry" ] || { cd "$entry"; break; }; done
  fi
  runHook postUnpack
}

patchPhase() {
  runHook prePatch
  for file in ${patches-}; do patch -p1 <"$file"; done
  runHook postPatch
}

configurePhase() {
  runHook preConfigure
  if [ -x ./configure ] && [ -z "${dontConfigure-}" ]; then ./configure --prefix="$out" ${configureFlags-}; fi
  runHook postConfigure
}

buildPhase() {
  runHook preBuild
  if [ -f Makefile ] && [ -z "${dontBuild-}" ] && type make >/dev/null 2>&1; then make ${makeFlags-} ${buildFlags-}; fi
  runHook postBuild
}

checkPhase() { :; }

installPhase() {
  runHook preInstall
  if [ -f Makefile ] && type make >/dev/null 2>&1; then make install PREFIX="$out" prefix="$out" ${makeFlags-} ${installFlags-}; fi
  runHook postInstall
}

# Scripts get interpreters that exist on a node.
fixupPhase() {
  runHook preFixup
  if [ -z "${dontPatchShebangs-}" ] && [ -d "$out/bin" ]; then
    for script in "$out"/bin/*; do
      [ -f "$script" ] && [ ! -L "$script" ] || continue
      first=$(head -n 1 "$script" | tr -d '\000')
      case $first in
        '#!/bin/sh'* | '#!/bin/bash'* | '#!/usr/bin/env bash'* | '#!/usr/bin/env sh'*)
          sed -i "1s|.*|#!$shell|" "$script" ;;
      esac
    done
  fi
  runHook postFixup
}

# A variable of a phase's name replaces the phase.
runPhase() {
  eval "text=\${$1-}"
  eval "skip=\${dont$(echo "${1%Phase}" | awk '{ print toupper(substr($0, 1, 1)) substr($0, 2) }')-}"
  [ -z "$skip" ] || return 0
  if [ -n "$text" ]; then eval "$text"; else "$1"; fi
}

genericBuild() {
  for phase in ${phases:-unpackPhase patchPhase configurePhase buildPhase checkPhase installPhase fixupPhase}; do
    case $phase in
      unpackPhase) [ -n "${srcs:-${src-}}" ] || [ -n "${unpackPhase-}" ] || continue ;;
      checkPhase) [ -n "${doCheck-}" ] || continue ;;
    esac
    runPhase "$phase"
  done
}

if [ -n "${buildCommandPath-}" ]; then
  . "$buildCommandPath"
elif [ -n "${buildCommand-}" ]; then
  eval "$buildCommand"
else
  genericBuild
fi
exit 0
