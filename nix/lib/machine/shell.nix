# A channel by which a test's driver runs commands where there is no network
# that leads in: a virtio port, on which a service reads a script and answers
# with its status and what it printed. The driver's side is qemu_shell.py.
{ lib, pkgs, ... }:
let
  serve = pkgs.writeScript "nxc-shell" ''
    #!${pkgs.bash}/bin/bash
    export PATH=/run/wrappers/bin:/run/current-system/sw/bin:/run/current-system/sw/sbin:${lib.makeBinPath [ pkgs.coreutils pkgs.util-linux ]}
    port=
    for entry in /sys/class/virtio-ports/*; do
      [ "$(cat "$entry/name")" != nxc.shell ] || port=/dev/''${entry##*/}
    done
    [ -n "$port" ] || exit 1
    exec 3<>"$port" || exit 1
    cd /run
    mkdir -p nxc-shell
    chmod 700 nxc-shell

    run() {
      local to=/run/nxc-shell/$1
      bash "$to.script" <"$to.in" >"$to.out" 2>"$to.err" 3>&-
      local status=$?
      {
        flock 9
        { echo "$1 $status" $(stat -c %s "$to.out" "$to.err"); cat "$to.out" "$to.err"; } >&3
      } 9>>/run/nxc-shell/lock
      rm -f "$to".*
    }

    echo hello >&3
    while read -r id script input; do
      head -c "$script" >"/run/nxc-shell/$id.script"
      head -c "$input" >"/run/nxc-shell/$id.in"
      run "$id" </dev/null &
    done <&3
    # Nobody listens.
    sleep 1
    exit 1
  '';
in
{
  systemd.services.nxc-shell = {
    description = "Commands of a test's driver";
    wantedBy = [ "multi-user.target" ];
    unitConfig.DefaultDependencies = false;
    environment = { HOME = "/root"; USER = "root"; };
    serviceConfig = {
      ExecStart = "${serve}";
      Restart = "always";
      RestartSec = 1;
      KillMode = "process";
    };
  };
}
