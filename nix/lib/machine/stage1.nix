# The first program of a machine, run by a static busybox in the initrd: it
# loads modules, mounts the store, gets an address, puts the node's context in
# place, and hands over to the init of the role's system.
#
# Lines that begin with "nxc: " tell the provider how far the machine is. What
# goes wrong is said on the console, and the machine powers off: its provider
# then shows the console's last lines.
{ modules, store }:
let
  mountStore = {
    # The store's image is a file of the initrd.
    ramdisk = ''
      losetup -r /dev/loop0 /store.squashfs || fail "cannot set up a loop device for the store"
      mount -t squashfs -o ro /dev/loop0 "$ro" || fail "cannot mount the store's image"
    '';
    # The store's image is the first disk.
    image = ''
      mount -t squashfs -o ro /dev/vda "$ro" || fail "cannot mount the store's image from the first disk"
    '';
    # The store is the host's own.
    "9p" = ''
      grep -qw 9p /proc/filesystems ||
        fail "this kernel does not know 9p, by which the host's store is shared; take another kernel, or the flavour vm-ramdisk"
      mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=262144 nxc-store "$ro" ||
        fail "cannot mount the host's store by 9p"
    '';
  }.${store};
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

  echo "nxc: phase kernel"
  for module in ${modules}; do modprobe "$module" 2>/dev/null; done
  # The context is the second archive that was put behind this one.
  context=/nxc-context
  role=$(cat $context/etc/nxc/role) && node=$(cat $context/etc/nxc/node) ||
    fail "the initrd holds no context (etc/nxc/role, etc/nxc/node)"
  system=$(cat "/nxc-roles/$role") || fail "the image has no system for the role $role"
  hostname "$node"

  # A file system in memory, with the store below an overlay.
  mount -t tmpfs -o mode=755,size=90% tmpfs /new || fail "cannot mount a root file system"
  ro=/new/nix/.ro-store
  mkdir -p "$ro" /new/nix/.rw-store/upper /new/nix/.rw-store/work /new/nix/store
  ${mountStore}
  mount -t overlay -o lowerdir="$ro",upperdir=/new/nix/.rw-store/upper,workdir=/new/nix/.rw-store/work overlay /new/nix/store ||
    mount -o bind "$ro" /new/nix/store || fail "cannot mount the store"
  [ -x "/new$system/init" ] || fail "the store has no $system/init"

  echo "nxc: phase network"
  mkdir -p /new/etc
  ip link set lo up
  for device in /sys/class/net/eth*; do
    [ -e "$device" ] || continue
    name=''${device##*/}
    ip link set "$name" up
    # Where nobody answers, as between machines inside a build, the context says.
    if [ "$name" = eth0 ] && address=$(cat $context/etc/nxc/private/address 2>/dev/null); then
      ip addr add "$address" dev eth0
      continue
    fi
    udhcpc -i "$name" -n -q -f -t 20 -T 1 -s /dhcp -x hostname:"$node" >/dev/null || echo "nxc: no address for $name"
  done
  printf '127.0.0.1\tlocalhost\n::1\tlocalhost\n' >/new/etc/hosts
  ip -4 addr show eth0 2>/dev/null | sed -n "s|^ *inet \([0-9.]*\)/.*|\1\t$node|p" >>/new/etc/hosts
  echo "$node" >/new/etc/hostname
  cp -a $context/. /new/

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
