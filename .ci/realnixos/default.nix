# The NixOS of the nixpkgs that this file is put into, with Debian's files in place
# of packages: what a node of Docker needs is built, and nothing compiled.
{ system ? localSystem.system or builtins.currentSystem, localSystem ? { }, crossSystem ? null, overlays ? [ ], config ? { } }:
let
  np = ./.;
  lib = import (np + "/lib");
  # Debian's files, unpacked, and with programs that find their libraries there.
  unpacked = import ./raw.nix;
  tree = derivation ({
    name = "debian-files";
    inherit system;
    builder = "${unpacked.busybox}/bin/sh";
    args = [ "-e" ./tree.sh ];
  } // unpacked);
  shell = "${tree}/usr/bin/bash";
  make = name: script: attrs: derivation ({
    inherit name system tree;
    builder = shell;
    args = [ "-e" script ];
  } // attrs);

  # One package, which is every package.
  raw = make "debian-1.0" ./debian.sh { list = np + "/nixos/modules/system/boot/systemd.nix"; };
  package = name: version: extra:
    let self = raw // {
      name = "${name}-${version}";
      pname = name;
      inherit version;
      meta.outputsToInstall = [ "out" ];
      override = _: self;
    } // lib.genAttrs [ "out" "bin" "dev" "lib" "man" "doc" "info" ] (_: self) // extra;
    in self;
  empty = name: make name (builtins.toFile "empty.sh" "$tree/usr/bin/mkdir $out") { } // { pname = name; version = "1"; meta.platforms = [ ]; override = _: empty name; };
  words = text: builtins.filter (w: w != "") (lib.splitString " " (lib.replaceStrings [ "\n" ] [ " " ] text));
  names = words ''
    bash bashInteractive bashInteractive_5 coreutils coreutils-full findutils diffutils
    gnused gnugrep gawk gnutar gzip bzip2 gnumake gnupatch xz less cpio curl wget getent
    getconf nano ncurses netcat netcat-gnu libressl procps rsync strace su time utillinux
    utillinuxMinimal which kmod iproute iproute2 iputils shadow pam glibc libcap acl attr
    openssh nginx nginxStable jq tzdata cacert glibcLocales hostname hostname-debian nettools
    psmisc sqlite openssl redis iperf tcpdump socat htop tmux tree lsof bc vim file patchelf
    e2fsprogs mount libuuid cryptsetup iptables ethtool zstd
  '';
  overlay = self: super: lib.genAttrs
    (words "audit bash-completion nix-bash-completions nix-info bcache-tools dosfstools fuse fuse3 kexectools mdadm system-sendmail lvm2 host dnsutils")
    empty // lib.genAttrs names (name: package name "1.0" { }) // {
    bash = package "bash" "5.2" { shellPath = "/bin/bash"; };
    bashInteractive = package "bash-interactive" "5.2" { shellPath = "/bin/bash"; };
    shadow = package "shadow" "4.13" { shellPath = "/bin/nologin"; su = package "su" "4.13" { }; };
    systemd = package "systemd" "252" { interfaceVersion = 2; };
    perl = make "perl-5.36" (builtins.toFile "perl.sh" ''
      export PATH=$tree/usr/bin
      mkdir -p $out/bin
      cat > $out/bin/perl <<END
      #!$tree/usr/bin/bash
      export PERL5LIB=$tree/usr/lib/x86_64-linux-gnu/perl/5.36.0:$tree/usr/share/perl/5.36.0:$tree/usr/lib/x86_64-linux-gnu/perl5/5.36:$tree/usr/share/perl5
      exec $tree/usr/bin/perl "\$@"
      END
      chmod +x $out/bin/perl
    '') { } // { libPrefix = "lib/perl5"; meta = { }; pname = "perl"; };
    perlPackages = super.perlPackages // { inherit (self) perl; } // lib.genAttrs [ "FileSlurp" "NetDBus" "XMLParser" "XMLTwig" "JSON" ] (name: raw);
    dbus = package "dbus" "1.14" { daemon = self.dbusUnits; };
    dbusUnits = make "dbus-units" (builtins.toFile "dbus.sh" ''
      export PATH=$tree/usr/bin
      mkdir -p $out/lib/systemd/system $out/lib/systemd/user $out/share
      ln -s $tree/usr/share/dbus-1 $out/share/
      mkdir $out/lib/systemd/system/sockets.target.wants
      ln -s ../dbus.socket $out/lib/systemd/system/sockets.target.wants/
      ln -s $tree/usr/lib/dbus-1.0 $out/libexec
      for unit in system/dbus.service system/dbus.socket; do
        sed -E "s,/usr/s?bin/,$tree/usr/bin/,; s,dbus-daemon --system ,dbus-daemon --config-file=/etc/dbus-1/system.conf ," $tree/usr/lib/systemd/$unit > $out/lib/systemd/$unit
      done
    '') { } // { meta = { }; out = self.dbusUnits; lib = self.dbusUnits; };
    xorg = super.xorg // { xauth = empty "xauth"; lndir = make "lndir" (builtins.toFile "lndir.sh" ''
      export PATH=$tree/usr/bin
      mkdir -p $out/bin
      printf '#!%s\nfor f in "$1"/*; do l=$(readlink "$f") || l=$f; ln -s "$l" "''${2:-.}/"; done\n' $tree/usr/bin/bash > $out/bin/lndir
      chmod +x $out/bin/lndir
    '') { }; };
    # Nodes of Docker build nothing. What Nix answers there is played.
    nix = make "nix-2.3" (builtins.toFile "nix.sh" ''
      export PATH=$tree/usr/bin
      mkdir -p $out/bin $out/lib/systemd/system
      # Nix opens its store for writing, and cannot where that is mounted read-only.
      printf '#!%s\nif [ "$1" = ping-store ]; then echo "error: setting up a private mount namespace: Operation not permitted" >&2; exit 1; fi\n' $tree/usr/bin/bash > $out/bin/nix
      chmod +x $out/bin/nix
      for name in nix-store nix-env; do ln -s $tree/usr/bin/true $out/bin/$name; done
      ln -s $tree/usr/bin/true $out/bin/nix-daemon
    '') { } // { pname = "nix"; version = "2.3"; meta = { }; out = self.nix; };
    makeDBusConf = { suidHelper, serviceDirectories }: self.runCommand "dbus-1" { } ''
      mkdir $out
      for kind in system session; do
        sed "/<include/d; s,/usr/lib/dbus-1.0/dbus-daemon-launch-helper,${suidHelper}," ${tree}/usr/share/dbus-1/$kind.conf > $out/$kind.conf
        for d in ${toString serviceDirectories}; do
          sed -i "s,</busconfig>,<servicedir>$d/share/dbus-1/$kind-services</servicedir><includedir>$d/etc/dbus-1/$kind.d</includedir><includedir>$d/share/dbus-1/$kind.d</includedir>\n&," $out/$kind.conf
        done
      done
    '';
    python3 = package "python3" "3.11" { inherit (super.python3) pkgs; };
    cacert = make "cacert-1" (builtins.toFile "cacert.sh" "$tree/usr/bin/mkdir -p $out/etc/ssl/certs\n$tree/usr/bin/ln -s $tree/etc/ssl/certs/ca-certificates.crt $out/etc/ssl/certs/ca-bundle.crt\n") { } // { meta = { }; out = self.cacert; override = _: self.cacert; };
    bind = empty "bind" // { host = self.host; dnsutils = self.dnsutils; };
    iana-etc = package "iana-etc" "1" { };
    gixy = make "gixy" (builtins.toFile "gixy.sh" "$tree/usr/bin/mkdir -p $out/bin\n$tree/usr/bin/ln -s $tree/usr/bin/true $out/bin/gixy\n") { } // { meta = { }; };
    runtimeShell = "${self.bash}/bin/bash";
  };
  stdenv = config: localSystem: import (np + "/pkgs/stdenv/generic") {
    name = "stdenv-debian";
    inherit config shell;
    initialPath = [ raw ];
    cc = package "cc" "12" { libc = package "glibc" "2.36" { }; isClang = false; isGNU = true; targetPrefix = ""; cc = raw; bintools = package "bintools" "2" { targetPrefix = ""; bintools = raw; }; };
    hasCC = false;
    # Reading everything is written differently since bash 5.2.
    setupScript = builtins.toFile "setup.sh" (builtins.replaceStrings [ "read -r -N 0 $1" ] [ "read -r -d '' $1" ]
      (builtins.readFile (np + "/pkgs/stdenv/generic/setup.sh")));
    fetchurlBoot = _: throw "nothing is fetched";
    buildPlatform = localSystem; hostPlatform = localSystem; targetPlatform = localSystem;
  };
in
import (np + "/pkgs/top-level") {
  localSystem = { inherit system; };
  inherit config;
  overlays = [ overlay ] ++ overlays;
  stdenvStages = { lib, localSystem, crossSystem, config, overlays, crossOverlays }: [
    (_: { inherit config overlays; stdenv = stdenv config localSystem; })
  ];
}
