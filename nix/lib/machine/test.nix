# A NixOS test of machines that our own driver starts, inside a build. Its
# result has the shape of NixOS's: the test, with driver and driverInteractive.
#
# `nodes` names the role of each machine, and `roles` are evaluated. Nothing of
# the host takes part: QEMU and Python come from the store, and processors are
# emulated.
{ lib, pkgs, name, roles, nodes, testScript, settings ? (_: { }) }:
let
  inherit (pkgs.standin) emulator tree loader libraries busybox;
  names = builtins.attrNames nodes;
  image = import ./image.nix { inherit lib pkgs roles; store = "image"; };
  path = artifact: "${artifact.drv}/${artifact.file}";
  at = list: n: builtins.elemAt list n;

  machine = index:
    let
      node = at names index;
      role = nodes.${node};
      own = { memory = 384; vcpus = 1; } // settings node;
      first = builtins.head (builtins.filter (n: nodes.${n} == role) names);
    in
    {
      inherit role;
      name = node;
      inherit (own) memory vcpus;
      # The role's name means its first machine, unless a machine is called so.
      aliases = lib.optional (first == node && !(nodes ? ${role})) role;
      address = "192.168.${toString (1 + index / 250)}.${toString (1 + index - index / 250 * 250)}";
      kernel = path image."kernel-${role}";
      parameters = [
        "console=ttyS0" "net.ifnames=0" "systemd.gpt_auto=0" "systemd.show_status=yes"
        "mitigations=off" "tsc=reliable" "no_timer_check" "loglevel=4" "panic=1"
      ] ++ roles.${role}.config.boot.kernelParams;
    };

  description = pkgs.writeText "${name}-machines.json" (builtins.toJSON {
    # Emulators of the distribution run by their own loader.
    qemu = [
      "${emulator.tree}/${loader}" "--library-path"
      "${emulator.tree}/${emulator.libraries}:${emulator.tree}/${emulator.libraries}/pulseaudio"
      "${emulator.tree}/${emulator.program}"
      "-L" "${emulator.tree}/usr/share/qemu" "-L" "${emulator.tree}/usr/share/seabios"
    ];
    modules = "${emulator.tree}/${emulator.libraries}/qemu";
    initrd = path image.initrd;
    store = path image.store;
    prefix = 16;
    machines = map machine (lib.range 0 (builtins.length names - 1));
  });

  script = pkgs.writeText "${name}-test-script" testScript;
  driver = pkgs.runCommand "nixos-test-driver-${name}" { inherit tree busybox script description; python = emulator.driver; } ''
    mkdir -p "$out/bin"
    ln -s "$script" "$out/test-script"
    ln -s "$description" "$out/machines.json"
    {
      echo "#!$busybox/bin/sh"
      echo "export PYTHONHOME=$tree/usr PYTHONPATH=$python PYTHONDONTWRITEBYTECODE=1"
      echo "exec $tree/${loader} --argv0 $tree/usr/bin/python3 --library-path $tree/${libraries} $tree/usr/bin/python3 -m nxc_driver.qemu $description $script \"\$@\""
    } >"$out/bin/nixos-test-driver"
    chmod +x "$out/bin/nixos-test-driver"
  '';
in
pkgs.runCommand "vm-test-run-${name}"
  {
    inherit driver;
    requiredSystemFeatures = [ ];
    passthru = {
      inherit driver roles;
      driverInteractive = driver;
      nodes = builtins.mapAttrs (_: role: roles.${role}.config) nodes;
    };
  } ''
  "$driver/bin/nixos-test-driver" || exit 1
  mkdir -p "$out"
''
