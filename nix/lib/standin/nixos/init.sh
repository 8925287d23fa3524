#!@busybox@/bin/sh
# The first program of a node: it lays out an empty root around the system and
# then becomes systemd. It may run again on the same root, after a restart.
#
# /etc/hosts, /etc/hostname and /etc/resolv.conf belong to whoever started the
# node, and so does /etc/nxc.
export PATH=@busybox@/bin
system=@out@
tree=@tree@
files=$system/etc-files
umask 022

. @out@/etc.sh

link_tree
mkdir -p /etc /run /var/lib /var/log /var/cache /var/spool /var/tmp /var/empty /tmp \
  /root /home /srv /mnt /opt /proc /sys /dev /run/wrappers/bin
chmod 1777 /tmp /var/tmp
chmod 0700 /root
ln -sfn /run /var/run
ln -sfn /run/lock /var/lock
ln -sfn "$system" /run/current-system
ln -sfn "$system" /run/booted-system

link_etc
copy_etc
add_hosts

# Users, once: a node may change its own.
set_passwords() { /usr/bin/chpasswd "$@"; }
first=
for name in passwd group shadow gshadow; do
  if [ ! -e "/etc/$name" ]; then
    first=yes
    cat "$files/users/$name" >"/etc/$name"
  fi
done
chmod 0640 /etc/shadow /etc/gshadow
chown 0:318 /etc/shadow /etc/gshadow
[ -s /etc/machine-id ] || tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
: >/etc/subuid
: >/etc/subgid

[ -n "$first" ] || set_passwords() { cat >/dev/null; }
# In shells of their own: a script that fails or exits ends only itself.
(. "$system/activate") || echo "init: the activation scripts ended with $?"
own_copies
(. "$system/post-boot") || echo "init: boot.postBootCommands ended with $?"

# Programs that act for other users, where the root of the node allows it.
if grep -q ' /run/wrappers ' /proc/mounts; then
  for name in su passwd newgrp chsh mount umount; do
    cp "$tree/usr/bin/$name" "/run/wrappers/bin/$name" && chmod 4755 "/run/wrappers/bin/$name"
  done
fi

export PATH=/run/current-system/sw/bin
exec /usr/lib/systemd/systemd "$@"
