# How the first stage finds the root file system and the store.
{ store }:
let
  # A file system in memory, with the store below an overlay.
  inMemory = ''
    mount -t tmpfs -o mode=755,size=90% tmpfs /new || fail "cannot mount a root file system"
  '';
  below = mount: ''
    ro=/new/nix/.ro-store
    mkdir -p "$ro" /new/nix/.rw-store/upper /new/nix/.rw-store/work /new/nix/store
    ${mount}
    mount -t overlay -o lowerdir="$ro",upperdir=/new/nix/.rw-store/upper,workdir=/new/nix/.rw-store/work overlay /new/nix/store ||
      mount -o bind "$ro" /new/nix/store || fail "cannot mount the store"
  '';
in
{
  # The store's image is a file of the initrd.
  ramdisk = {
    root = inMemory;
    mount = below ''
      losetup -r /dev/loop0 /store.squashfs || fail "cannot set up a loop device for the store"
      mount -t squashfs -o ro /dev/loop0 "$ro" || fail "cannot mount the store's image"
    '';
  };
  # The store's image is the first disk.
  image = {
    root = inMemory;
    mount = below ''
      mount -t squashfs -o ro /dev/vda "$ro" || fail "cannot mount the store's image from the first disk"
    '';
  };
  # The store is the host's own.
  "9p" = {
    root = inMemory;
    mount = below ''
      grep -qw 9p /proc/filesystems ||
        fail "this kernel does not know 9p, by which the host's store is shared; take another kernel, or the flavour vm-ramdisk"
      mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=262144 nxc-store "$ro" ||
        fail "cannot mount the host's store by 9p"
    '';
  };
  # Root is a partition, which an image was unpacked into: root=DEVICE.
  partition = {
    root = ''
      device=$(parameter root)
      case $device in UUID=* | LABEL=*) device=$(findfs "$device") ;; esac
      tries=0
      until [ -b "$device" ] || [ $tries = 100 ]; do sleep 0.2; tries=$((tries + 1)); done
      mount -o rw "$device" /new || fail "cannot mount the root file system from $(parameter root)"
    '';
    mount = "";
  };
}.${store}
