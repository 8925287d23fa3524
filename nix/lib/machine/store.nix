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
  # The store is a folder of a server: nfs_store=SERVER:/PATH, with further
  # options of the mount in nfs_options. What is in it does not change, so it is
  # asked about seldom; it is its owner's, and what has to be root's becomes so in
  # the overlay.
  nfs = {
    root = inMemory;
    mount = below ''
      store=$(parameter nfs_store)
      [ -n "$store" ] || fail "the kernel's command line does not say where the store is (nfs_store=SERVER:/PATH)"
      ln -sf /new/etc/resolv.conf /etc/resolv.conf
      options=$(parameter nfs_options)
      tries=0
      until mount -t nfs -o "ro,vers=3,proto=tcp,nolock,nocto,actimeo=600''${options:+,$options}" "$store" "$ro"; do
        tries=$((tries + 1))
        [ $tries -lt 20 ] || fail "cannot mount the store from $store: is it exported to this node, and does this kernel know NFS?"
        sleep 2
      done
    '' + ''
      # Through an overlay nothing is read from servers without access lists.
      [ -e "/new$system/init" ] || {
        umount /new/nix/store
        mount -o bind "$ro" /new/nix/store || fail "cannot mount the store"
      }
      for path in $(cat "/nxc-owned/$role"); do
        [ ! -e "/new$path" ] || chown -R 0:0 "/new$path" || echo "nxc: $path is not root's"
      done
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
