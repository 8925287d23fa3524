# Programs of the host's distribution under the names that nixpkgs gives them.
{ lib, host, index, pkgs }:
let
  inherit (host) packages tree;

  # A package made of packages of the distribution. Its store path holds links
  # into the tree; environments link the tree's programs themselves, so that
  # nothing needs to be built for what is only installed.
  hostPackage =
    { pname
    , from ? [ pname ]
    , main ? builtins.head from
    , programs ? lib.concatMap (name: packages.${name}.programs or [ ]) from
    , mainProgram ? pname
    , links ? { }
    , passthru ? { }
    , description ? "${main} of ${host.label}"
    , ...
    }:
    let
      version = host.upstreamVersion packages.${main}.version;
      debianVersion = host.storeVersion packages.${main}.version;
      package = pkgs.runCommand "${pname}-${debianVersion}"
        {
          inherit pname version tree programs;
          meta = { inherit mainProgram description; };
          preferLocalBuild = true;
          allowSubstitutes = false;
          linkNames = lib.attrNames allLinks;
          linkTargets = lib.attrValues allLinks;
        }
        ''
          mkdir -p "$out/bin"
          for program in $programs; do ln -s "$tree/usr/bin/$program" "$out/bin/$program"; done
          set -- $linkTargets
          for name in $linkNames; do
            mkdir -p "$(dirname "$out/$name")"
            ln -s "$1" "$out/$name"
            shift
          done
        '';
      allLinks = { lib = "${tree}/usr/lib"; share = "${tree}/usr/share"; } // links;
    in
    if !(packages ? ${main}) then missing main
    else package // {
      hostPrograms = programs;
      inherit pname version passthru;
      inherit debianVersion;
    } // passthru;

  missing = name: throw "the package `${name}' of ${host.label} is not in the stand-in; name it in NXC_STANDIN_PACKAGES (nxc then fetches it once), or use a real nixpkgs";

  # nixpkgs' names, where the distribution's differ or are several.
  named = lib.mapAttrs (pname: args: hostPackage ({ inherit pname; } // args)) {
    bash = { };
    bc = { };
    bashInteractive.from = [ "bash" ];
    busybox = { from = [ "busybox-static" ]; programs = [ "busybox" ]; };
    bzip2 = { };
    coreutils = { mainProgram = "env"; };
    coreutils-full.from = [ "coreutils" ];
    cpio = { };
    curl = { };
    curlFull.from = [ "curl" ];
    dbus.from = [ "dbus" "dbus-bin" "dbus-daemon" ];
    diffutils = { mainProgram = "diff"; };
    findutils = { mainProgram = "find"; };
    gawk = { };
    ethtool = { };
    getent = { from = [ "libc-bin" ]; programs = [ "getent" ]; };
    glibc = { from = [ "libc6" ]; programs = [ ]; };
    gnugrep.from = [ "grep" ];
    gnupatch.from = [ "patch" ];
    gnused.from = [ "sed" ];
    gnutar.from = [ "tar" ];
    gzip = { };
    hostname = { };
    htop = { };
    inetutils = { from = [ "hostname" "iputils-ping" ]; mainProgram = "ping"; };
    iperf3 = { };
    iperf.from = [ "iperf3" ];
    iproute2 = { mainProgram = "ip"; };
    iproute.from = [ "iproute2" ];
    iputils = { from = [ "iputils-ping" ]; mainProgram = "ping"; };
    jq = { };
    kmod = { };
    less = { };
    libcap.from = [ "libcap2-bin" ];
    lsof = { };
    nano = { };
    ncurses.from = [ "ncurses-bin" ];
    netcat = { from = [ "netcat-openbsd" ]; mainProgram = "nc"; };
    netcat-openbsd.mainProgram = "nc";
    nettools.from = [ "hostname" ];
    nginx = {
      from = [ "nginx" "nginx-light" "nginx-core" ];
      main = "nginx";
      mainProgram = "nginx";
      links.conf = "${tree}/etc/nginx";
    };
    openssh = { from = [ "openssh-client" "openssh-server" "openssh-sftp-server" ]; mainProgram = "ssh"; };
    openssl = { };
    pam = { from = [ "libpam-modules" ]; programs = [ ]; };
    procps = { mainProgram = "ps"; };
    psmisc = { mainProgram = "killall"; };
    redis = { from = [ "redis-server" "redis-tools" ]; mainProgram = "redis-server"; };
    rsync = { };
    shadow = { from = [ "passwd" "login" ]; mainProgram = "passwd"; passthru.su = named.su; };
    socat = { };
    squashfsTools = { from = [ "squashfs-tools" ]; mainProgram = "mksquashfs"; };
    sqlite = { from = [ "sqlite3" ]; mainProgram = "sqlite3"; };
    strace = { };
    su = { from = [ "util-linux" ]; programs = [ "su" ]; };
    systemd = { from = [ "systemd" "systemd-sysv" ]; mainProgram = "systemctl"; };
    tcpdump = { };
    time = { };
    tmux = { };
    tree = { };
    tzdata = { programs = [ ]; };
    util-linux = { from = [ "util-linux" "util-linux-extra" "mount" "bsdutils" ]; mainProgram = "mount"; };
    vim = { from = [ "vim-tiny" ]; };
    wget = { };
    which = { from = [ "debianutils" ]; programs = [ "which" ]; };
    xz.from = [ "xz-utils" ];
    zstd = { };
  };

  python3 = hostPackage {
    pname = "python3";
    from = [ "python3" "python3-minimal" "python${pythonVersion}" "python${pythonVersion}-minimal" ];
    main = "python${pythonVersion}-minimal";
    programs = [ "python3" "python${pythonVersion}" ];
    passthru = {
      inherit pythonVersion;
      pkgs = pythonPackages;
      sitePackages = "lib/python3/dist-packages";
      interpreter = "${tree}/usr/bin/python3";
      executable = "python3";
      # All libraries of the distribution's python lie in one tree: what is
      # there needs no environment of its own.
      withPackages = choose: builtins.deepSeq (map (p: p.name) (choose pythonPackages)) python3;
      buildEnv.override = args: builtins.deepSeq (map (p: p.name) args.extraLibs or [ ]) python3;
    };
  };
  pythonVersion = host.upstreamVersion (lib.versions.majorMinor (host.upstreamVersion packages.python3.version));
  pythonPackages =
    let
      library = name: debian: hostPackage { pname = name; from = [ debian ]; programs = [ ]; };
      known = lib.mapAttrs' (name: _: lib.nameValuePair (lib.removePrefix "python3-" name) (library (lib.removePrefix "python3-" name) name))
        (lib.filterAttrs (name: _: lib.hasPrefix "python3-" name) packages);
    in
    known // {
      pyyaml = library "pyyaml" "python3-yaml";
      requests = library "requests" "python3-requests";
      numpy = library "numpy" "python3-numpy";
      redis = library "redis" "python3-redis";
      psycopg2 = library "psycopg2" "python3-psycopg2";
      python = python3;
    };

  # Any package of the distribution that is in the tree, by its own name.
  debian = lib.mapAttrs (name: _: hostPackage { pname = name; }) packages;
in
named // {
  inherit debian hostPackage python3;
  # Programs by name: pkgs.fromHost "jq".
  fromHost = name:
    if packages ? ${name} then debian.${name}
    else if host.owner ? ${name} then debian.${host.owner.${name}} // { mainProgram = name; }
    else missing name;
  python = python3;
  python3Full = python3;
  python3Minimal = python3;
  python3Packages = pythonPackages;
  python311 = python3;
  python312 = python3;
  python313 = python3;
  bashNonInteractive = named.bash;
  iproute_mptcp = named.iproute2;
  util-linuxMinimal = named.util-linux;
  utillinux = named.util-linux;
  systemdMinimal = named.systemd;
  su = named.su;
  dash = named.busybox;
  ps = named.procps;
  nginxStable = named.nginx;
  nginxMainline = named.nginx;

  cacert = pkgs.runCommand "nss-cacert" { inherit tree; } ''
    mkdir -p "$out/etc/ssl/certs"
    ln -s "$tree/etc/ssl/certs/ca-certificates.crt" "$out/etc/ssl/certs/ca-bundle.crt"
    ln -s ca-bundle.crt "$out/etc/ssl/certs/ca-certificates.crt"
  '';
  emptyDirectory = pkgs.runCommand "empty-directory" { } ''mkdir "$out"'';
  emptyFile = pkgs.runCommand "empty-file" { } '': > "$out"'';

  # A classic that every tutorial installs.
  hello = pkgs.writeShellScriptBin "hello" ''echo "Hello, world!"'' // { pname = "hello"; version = "stand-in"; };

  # The kernel that machines boot; containers share the host's.
  linuxPackages = lib.recurseIntoAttrs {
    kernel = {
      pname = "linux";
      name = "linux-${host.kernel.version}";
      version = host.upstreamVersion host.kernel.release;
      modDirVersion = host.kernel.version;
      outPath = host.kernel.path;
      type = "derivation";
    };
  };
  linuxPackages_latest = pkgs.linuxPackages;
  linuxPackagesFor = kernel: pkgs.linuxPackages // { inherit kernel; };
  linux = pkgs.linuxPackages.kernel;
  nur.repos = { };
}
