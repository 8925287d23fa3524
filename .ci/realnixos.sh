#!/bin/sh
# Boots the NixOS of a nixpkgs, of which check_nixos.go only evaluates what nxc
# makes of it: as nodes of Docker, with Debian's files in place of packages,
# because nothing is compiled here. What is checked is NixOS's own activation,
# second stage and switch with nxc's modules in them, not the packages.
#
# usage: .ci/realnixos.sh NXC NIXPKGS, on Debian 12 with NixOS 19.09
set -eu

nxc=$(realpath "$1")
nixpkgs=$(realpath "$2")
case $(cat "$nixpkgs/.version") in
19.09*) ;;
*) echo "realnixos: $nixpkgs is not NixOS 19.09, whose packages Debian's files take the place of" >&2 && exit 1 ;;
esac
here=$(cd "$(dirname "$0")/realnixos" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/nxc-realnixos.XXXXXX")
debs='patchelf perl perl-base libperl5.36 perl-modules-5.36 libjson-perl libfile-slurp-perl
	libnet-dbus-perl libxml-twig-perl libxml-parser-perl libexpat1 e2fsprogs libext2fs2 libcom-err2 libss2 logsave'
export XDG_STATE_HOME="$work/state"

leave() {
	status=$?
	cd "$work"
	"$nxc" destroy -auto-approve >/dev/null 2>&1 || status=1
	cd / && rm -rf "$work"
	exit $status
}
trap leave EXIT
trap 'exit 130' INT TERM

cd "$work"
cp "$here/composition.nix" "$here/module.nix" "$here/nixos.nxc.hcl" .

echo 'realnixos: unpacking Debian'
# The stand-in's files are most of what a node needs.
mkdir standin debs extra
echo '{ roles.node = { }; }' >standin/composition.nix
printf 'composition "standin" {\n  source  = "./composition.nix"\n  nixpkgs = "embedded"\n  flavour "docker" {}\n}\n' >standin/standin.nxc.hcl
system=$(cd standin && "$nxc" build | sed -n 's/.*system.* //p')
nix-store -qR "$system" >paths
busybox=$(grep -e '-busybox$' paths)
cp -r "$(grep -e '-debian-tree$' paths)" raw
chmod -R u+w raw
(cd debs && apt-get download $debs >/dev/null 2>&1)
for deb in debs/*.deb; do dpkg-deb -x "$deb" extra; done
for part in bin sbin usr/sbin; do [ ! -d extra/$part ] || cp -rn extra/$part/. raw/usr/bin; done
for part in lib usr/lib; do [ ! -d extra/$part ] || cp -rn extra/$part/. raw/usr/lib; done
cp -rn extra/usr/bin/. raw/usr/bin
mkdir -p raw/usr/share
cp -rn extra/usr/share/perl extra/usr/share/perl5 raw/usr/share

mkdir nixpkgs
cp -r "$nixpkgs/lib" "$nixpkgs/nixos" "$nixpkgs/pkgs" "$nixpkgs/.version" nixpkgs
cp "$here/default.nix" "$here/tree.sh" "$here/debian.sh" nixpkgs
printf '{ raw = builtins.storePath %s; busybox = builtins.storePath %s; }\n' "$(nix-store --add raw)" "$busybox" >nixpkgs/raw.nix
rm -rf raw extra debs standin

fail() {
	echo "realnixos: $1" >&2
	exit 1
}
expect() {
	"$nxc" exec server -- sh -c "$1" || fail "on the server this fails: $1"
}
booted() {
	"$nxc" exec server -- cut -d ' ' -f 22 /proc/1/stat
}

echo 'realnixos: booting'
"$nxc" apply -auto-approve
"$nxc" test
echo 'realnixos: switching'
before=$(booted)
"$nxc" apply -auto-approve -var page='hello again'
[ "$before" = "$(booted)" ] || fail 'the server was booted, and not switched'
expect 'grep -q again /etc/hello && curl -s localhost | grep -q again'
echo 'realnixos: restarting'
"$nxc" stop server
"$nxc" start server
expect 'test "$(systemctl is-system-running)" = running && grep -q again /etc/hello'
"$nxc" test -var page='hello again'
