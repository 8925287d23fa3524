# The first program of a machine, run by a static busybox in the initrd: it
# loads modules, mounts the store, gets an address, puts the node's context in
# place, and hands over to the init of the role's system.
#
# Lines that begin with "nxc: " tell the provider how far the machine is. What
# goes wrong is said on the console, and the machine powers off: its provider
# then shows the console's last lines.
#
# `own` systems were made without nxc's modules, and so without what these do
# with the context at boot.
{ modules, store, physical ? false, own ? false, waiting ? "" }:
let
  where = import ./store.nix { inherit store; };
  network = ''
    echo "nxc: phase network"
    mkdir -p /new/etc
    ip link set lo up
    ${import ./network.nix { inherit physical; }}
  '';
in
''
  #!/bin/busybox sh
  export PATH=/bin
  /bin/busybox mkdir -p /proc /sys /dev /new
  /bin/busybox --install -s /bin
  mount -t proc proc /proc
  mount -t sysfs sysfs /sys
  mount -t devtmpfs devtmpfs /dev
  exec </dev/console >/dev/console 2>&1

  fail() {
    echo "nxc: failed: $*"
    sleep 1
    poweroff -f
    sleep 10
  }

  # The last parameter of a name on the kernel's command line.
  parameter() {
    value=
    for word in $(cat /proc/cmdline); do
      case $word in "$1="*) value=''${word#*=} ;; esac
    done
    echo "$value"
  }

  echo "nxc: phase kernel"
  for module in ${modules}; do modprobe "$module" 2>/dev/null; done
  # The context is the second archive that was put behind this one.
  context=/nxc-context
  ${where.root}
  ${if store == "partition" then ''
    ${network}
    [ -s /new/etc/nxc/role ] && [ -s /new/etc/nxc/node ] || {
      ${waiting}
    }
    context=/new
  '' else ""}
  role=$(cat $context/etc/nxc/role) && node=$(cat $context/etc/nxc/node) ||
    fail "the initrd holds no context (etc/nxc/role, etc/nxc/node)"
  system=$(cat "/nxc-roles/$role") || fail "the image has no system for the role $role"
  hostname "$node"

  ${if store == "partition" then "" else if store == "nfs" then network + where.mount else where.mount + network}
  [ -x "/new$system/init" ] || fail "the store has no $system/init"
  printf '127.0.0.1\tlocalhost\n::1\tlocalhost\n' >/new/etc/hosts
  ip -4 addr show "$first" 2>/dev/null | sed -n "s|^ *inet \([0-9.]*\)/.*|\1\t$node|p" >>/new/etc/hosts
  echo "$node" >/new/etc/hostname
  [ "$context" = /new ] || cp -a $context/. /new/
  ${if physical then ''
    # Nobody on the way knows the nodes' names.
    [ ! -e /new/etc/nxc/hosts ] || { echo "# nodes of the deployment"; cat /new/etc/nxc/hosts; } >>/new/etc/hosts
  '' else ""}
  ${if own then ''
    [ ! -e "/new$system/prepare-root" ] ||
      fail "$system expects systemd in its first stage, which is nxc's own here: set boot.initrd.systemd.enable = false"
    mkdir -p /new/root/.ssh /new/etc/ssh
    chmod 700 /new/root /new/root/.ssh
    cp /new/etc/nxc/authorized_keys /new/root/.ssh/authorized_keys
    cp /new/etc/nxc/private/ssh_host_ed25519_key* /new/etc/ssh/
    chmod 600 /new/root/.ssh/authorized_keys /new/etc/ssh/ssh_host_ed25519_key
  '' else ""}
  mkdir -p /new/proc /new/sys /new/dev /new/run
  mount -t tmpfs -o mode=755,nosuid,nodev tmpfs /new/run
  mkdir -p /new/run/wrappers /dev/pts /dev/shm
  mount -t tmpfs -o mode=755,nodev tmpfs /new/run/wrappers
  mount -t devpts -o mode=620,gid=5,ptmxmode=666 devpts /dev/pts
  mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /dev/shm
  echo "nxc: phase system"
  mount -o move /proc /new/proc
  mount -o move /sys /new/sys
  mount -o move /dev /new/dev
  exec switch_root /new "$system/init"
''
