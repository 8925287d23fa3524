# Builds what machines boot: a kernel for each role, and one initrd for all of
# them. `store` says where a machine finds the store: in the initrd ("ramdisk"),
# on a disk ("image"), on the host ("9p"), on the partition that an image was
# unpacked into ("partition"), or in a folder of a server ("nfs"). `physical`
# machines are of metal: they have drivers, and take their network as they find it.
# `own` says that the systems are somebody's own, made without nxc's modules.
{ lib, pkgs, roles, store, physical ? false, own ? false, ... }:
let
  names = builtins.attrNames roles;
  systems = builtins.mapAttrs (_: role: role.config.system.build.toplevel) roles;
  kernelOf = role: role.config.boot.kernelPackages.kernel;
  kernels = builtins.attrValues (builtins.listToAttrs
    (map (name: { name = builtins.unsafeDiscardStringContext "${kernelOf roles.${name}}"; value = name; }) names));

  # What the first stage needs, and what roles ask for.
  modules = lib.unique ([
    "virtio_pci" "virtio_net" "virtio_blk" "virtio_rng" "virtio_console" "loop" "squashfs" "overlay"
    "9p" "9pnet_virtio" "af_packet" "8021q"
  ] ++ lib.optionals physical (import ./drivers.nix)
  ++ lib.optionals (store == "nfs") [ "nfs" "nfsv3" "nfsv4" ]
  ++ lib.concatMap
    (name: let boot = roles.${name}.config.boot; in boot.initrd.kernelModules ++ boot.kernelModules)
    names);

  # What of a store whose files are somebody's has to be root's: sudo loads
  # nothing else.
  rootsOwn = { config, ... }: builtins.unsafeDiscardStringContext
    (lib.optionalString (!(pkgs ? standin) && (config.security.sudo.enable or false)) "${config.security.sudo.package or pkgs.sudo}");

  # A static shell with the usual programs.
  busybox = if pkgs ? pkgsStatic then pkgs.pkgsStatic.busybox else pkgs.standin.busybox;

  # The wanted modules of one kernel with those that they need, uncompressed.
  modulesOf = role:
    let
      kernel = kernelOf role;
      tree = role.config.system.modulesTree or kernel;
    in
    pkgs.runCommand "machine-modules-${kernel.modDirVersion}"
      {
        nativeBuildInputs = [ pkgs.kmod pkgs.xz pkgs.zstd ];
        inherit modules tree;
      } ''
      version=$(basename "$tree"/lib/modules/*)
      mkdir -p all/lib/modules "$out/lib/modules/$version"
      cp -rL "$tree/lib/modules/$version" all/lib/modules/
      chmod -R u+w all
      find all -name '*.ko.xz' -exec xz -d {} +
      find all -name '*.ko.zst' -exec zstd -q -d --rm {} +
      depmod -b "$PWD/all" "$version"
      cd "all/lib/modules/$version"
      awk -v wanted="$modules" '
        BEGIN { n = split(wanted, list, " "); for (i = 1; i <= n; i++) { gsub(/-/, "_", list[i]); want[list[i]] = 1 } }
        { file = $1; sub(/:$/, "", file); name = file; sub(/.*\//, "", name); sub(/\.ko$/, "", name); gsub(/-/, "_", name)
          if (name in want) { print file; for (i = 2; i <= NF; i++) print $i } }
      ' modules.dep | sort -u >list
      while read -r file; do
        mkdir -p "$out/lib/modules/$version/$(dirname "$file")"
        cp "$file" "$out/lib/modules/$version/$file"
      done <list
      for file in modules.order modules.builtin modules.builtin.modinfo; do
        [ ! -e "$file" ] || cp "$file" "$out/lib/modules/$version/"
      done
      depmod -b "$out" "$version"
    '';

  # The systems of all roles with all that they refer to.
  image = pkgs.runCommand "machine-store"
    {
      nativeBuildInputs = [ pkgs.squashfsTools ];
      closure = pkgs.closureInfo { rootPaths = builtins.attrValues systems; };
    } ''
    mkdir "$out"
    mksquashfs $(cat "$closure/store-paths") "$out/store.squashfs" \
      -keep-as-directory -all-root -no-xattrs -noappend -no-progress -comp lz4 >log || { cat log; exit 1; }
  '';

  # The same as an archive that is unpacked into a partition, with what boots
  # it: Kadeploy looks for kernel and initrd in it. All roles share one kernel
  # there, the first one's.
  tarball = pkgs.runCommand "machine-tarball"
    {
      nativeBuildInputs = [ pkgs.gnutar pkgs.zstd ];
      closure = pkgs.closureInfo { rootPaths = builtins.attrValues systems; };
      kernel = "${kernelFile (kernelOf roles.${builtins.head kernels})}/bzImage";
      initrd = "${initrd}/initrd";
    } ''
    mkdir -p root/boot root/root root/etc/nxc root/nix "$out"
    cp "$kernel" root/boot/bzImage
    cp "$initrd" root/boot/initrd
    chmod -R u+w root/boot
    chmod 700 root/root
    find root -exec touch -h -d @1 {} +
    # The stand-in's shell has a tar of its own, which it prefers to the PATH.
    tar=$NIX_BUILD_TOP/.wrappers/tar
    [ -x "$tar" ] || tar=tar
    "$tar" --create --file image.tar --sort=name --mtime=@1 --owner=0 --group=0 --numeric-owner -C root .
    "$tar" --append --file image.tar --sort=name --mtime=@1 --owner=0 --group=0 --numeric-owner \
      --absolute-names --transform 's,^/nix,./nix,' $(cat "$closure/store-paths")
    zstd -q -T0 -3 image.tar -o "$out/image.tar.zst"
  '';

  kernelFile = kernel: pkgs.runCommand "machine-kernel-${kernel.modDirVersion}" { inherit kernel; } ''
    mkdir "$out"
    cp "$kernel/bzImage" "$out/bzImage"
  '';

  initrd = pkgs.runCommand "machine-initrd"
    {
      nativeBuildInputs = [ pkgs.cpio ];
      stage1 = import ./stage1.nix { 
        inherit store physical own;
        modules = lib.concatStringsSep " " modules;
        waiting = lib.optionalString (store == "partition") (import ./waiting.nix { inherit pkgs; });
      };
      dhcp = import ./dhcp.nix { inherit physical; };
      passAsFile = [ "stage1" "dhcp" ];
      inherit busybox;
      trees = map (name: modulesOf roles.${name}) kernels;
      roleNames = names;
      # Only the names: the store is elsewhere.
      systems = map (name: builtins.unsafeDiscardStringContext "${systems.${name}}") names;
    } ''
    mkdir -p root/bin root/nxc-roles root/etc root/lib/modules
    cp "$busybox/bin/busybox" root/bin/busybox
    cp "$stage1Path" root/init
    cp "$dhcpPath" root/dhcp
    chmod +x root/init root/dhcp root/bin/busybox
    for tree in $trees; do cp -r "$tree/lib/modules/." root/lib/modules/; chmod -R u+w root/lib; done
    set -- $systems
    for name in $roleNames; do
      echo "$1" >"root/nxc-roles/$name"
      shift
    done
    ${lib.optionalString (store == "ramdisk") "cp ${image}/store.squashfs root/store.squashfs"}
    ${lib.optionalString (store == "nfs") ''
      mkdir root/nxc-owned
      ${lib.concatMapStrings (name: "echo \"${rootsOwn roles.${name}}\" >root/nxc-owned/${name}\n") names}
    ''}
    mkdir "$out"
    chmod -R u+w root
    cd root
    find . -exec touch -h -d @1 {} +
    find . | sort | cpio --quiet -o -H newc -R 0:0 >"$out/initrd"
  '';
in
{
  initrd = { drv = initrd; file = "initrd"; };
}
// builtins.listToAttrs (map
  (name: {
    name = "kernel-${name}";
    value = { drv = kernelFile (kernelOf roles.${name}); file = "bzImage"; };
  })
  names)
// lib.optionalAttrs (store == "image") {
  store = { drv = image; file = "store.squashfs"; };
}
// lib.optionalAttrs (store == "nfs") {
  # All that the systems refer to, one path a line.
  closure = { drv = pkgs.closureInfo { rootPaths = builtins.attrValues systems; }; file = "store-paths"; };
}
// lib.optionalAttrs (store == "partition") {
  tarball = { drv = tarball; file = "image.tar.zst"; };
}
