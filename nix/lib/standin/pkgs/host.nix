# What the host's distribution lent us: store paths, with the context that makes
# a derivation depend on them.
{ lib, index }:
let
  refer = path: builtins.appendContext path { ${path} = { path = true; }; };
in
rec {
  inherit (index) packages distribution label libraries;
  version = index.version;

  # One merged file system of all packages: usr/bin, usr/lib, etc, …
  tree = refer index.tree;
  # A static busybox with links for its applets, to run builders with.
  busybox = refer index.busybox;

  # What virtual machines boot: bzImage and lib/modules, as in nixpkgs' kernels.
  kernel = index.kernel // { path = refer index.kernel.path; };

  # QEMU, in a tree of its own, which only tests bring (see testers.nix).
  emulator =
    if index.emulator or null == null then throw "a NixOS test on the embedded stand-in needs its emulator, which nxc brings for the flavours nixos-test, nixos-test-driver and nixos-test-ssh"
    else index.emulator // { tree = refer index.emulator.tree; driver = refer index.emulator.driver; };

  bash = "${tree}/usr/bin/bash";
  # A program of the tree, for units and scripts of a node.
  program = name: "${tree}/usr/bin/${name}";

  # Runs a program of the tree where there is no /lib64, as in Nix's sandbox.
  loader = {
    x86_64-linux = "lib64/ld-linux-x86-64.so.2";
    aarch64-linux = "lib/ld-linux-aarch64.so.1";
  }.${index.system} or (throw "the stand-in does not know the dynamic loader of ${index.system}");

  # The packages of the distribution that give a program, by the program's name.
  owner = lib.foldl'
    (all: package: builtins.listToAttrs (map (program: lib.nameValuePair program package) packages.${package}.programs or [ ]) // all)
    { }
    (lib.attrNames packages);

  # A version as a store path may have it.
  storeVersion = version: lib.replaceStrings [ "~" ] [ "-" ] (lib.last (lib.splitString ":" version));

  # Debian's "1:9.2p1-2+deb12u3" is version 9.2p1 to everybody else.
  upstreamVersion = version:
    let
      withoutEpoch = lib.last (lib.splitString ":" version);
      withoutRevision = builtins.head (lib.splitString "-" withoutEpoch);
    in
    builtins.head (lib.splitString "+" withoutRevision);
}
