# An image that boots as the flavours' nodes do, into a system that is an ssh
# server and nothing else. `index` is the stand-in's, and `store` says where a
# node finds its store. Beside root there is a user when the context names one
# (/etc/nxc/user), who becomes root as on nodes of a site.
{ index, store ? "ramdisk" }:
let
  standin = import ../../../nix/lib/standin {
    index = builtins.fromJSON (builtins.unsafeDiscardStringContext (builtins.readFile index));
    system = "x86_64-linux";
  };
  inherit (standin) lib pkgs;
  system = pkgs.runCommand "light-metal" { inherit (pkgs.standin) tree busybox; init = ''
    #!@busybox@/bin/sh
    export PATH=@busybox@/bin
    [ -e /usr ] || ln -s @tree@/usr /usr
    for name in bin sbin lib lib64; do [ -e /$name ] || ln -s usr/$name /$name; done
    mkdir -p /run/sshd /run/bin /var/empty /root /tmp /var/log /etc/ssh
    echo 'root:*:0:0::/root:/bin/sh
    sshd:*:74:74::/run/sshd:/bin/false' >/etc/passwd
    echo 'root:x:0:' >/etc/group
    if [ -s /etc/nxc/user ]; then
      echo "$(cat /etc/nxc/user):*:0:0::/root:/bin/sh" >>/etc/passwd
      printf '#!/bin/sh\nexec "$@"\n' >/run/bin/sudo-g5k
      chmod 755 /run/bin/sudo-g5k
    fi
    exec /usr/sbin/sshd -D -e -f /dev/null -o UsePAM=no -o StrictModes=no -o PidFile=none \
      -o SetEnv=PATH=/run/bin:/usr/sbin:/usr/bin:/sbin:/bin \
      -o AuthorizedKeysFile=/etc/nxc/authorized_keys -o HostKey=/etc/nxc/private/ssh_host_ed25519_key
  ''; passAsFile = [ "init" ]; } ''
    mkdir "$out"
    sed -e "s|@busybox@|$busybox|g; s|@tree@|$tree|g" "$initPath" >"$out/init"
    chmod +x "$out/init"
  '';
  roles.node = {
    inherit pkgs;
    config = {
      system.build.toplevel = system;
      boot = { initrd.kernelModules = [ ]; kernelModules = [ ]; kernelPackages = pkgs.linuxPackages; };
    };
  };
  image = import ../../../nix/lib/machine/image.nix { inherit lib pkgs roles store; physical = true; };
in
pkgs.linkFarm "light-metal-${store}" ([
  { name = "initrd"; path = "${image.initrd.drv}/initrd"; }
  { name = "kernel"; path = "${image.kernel-node.drv}/bzImage"; }
] ++ lib.optional (image ? tarball) { name = "image.tar.zst"; path = "${image.tarball.drv}/image.tar.zst"; })
