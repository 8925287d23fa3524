# Root of one node may log in on the others: what MPI, remote builders and
# programs that run on one node and drive the rest start from.
#
# A node shows itself by its host key, so that there is no further secret. The
# others learn it by asking for it in the deployment's own network, and ask again
# whenever the list of nodes changes.
{ config, lib, pkgs, ... }:
{
  _file = "nxc's own module";
  options.nxc.root-sshKeys.betweenNodes = lib.mkOption {
    type = lib.types.bool;
    default = false; # but in a project of NixOSCompose, see flake.nix
    description = "Whether root of any node may log in by ssh on the nodes of this role, and finds the others' host keys known.";
  };

  config = lib.mkIf config.nxc.root-sshKeys.betweenNodes {
    services.openssh.enable = lib.mkDefault true;

    systemd.services.nxc-between-nodes = {
      description = "Learn the keys of the deployment's nodes";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" "sshd.service" ];
      path = [ pkgs.openssh pkgs.gawk pkgs.gnugrep pkgs.coreutils ];
      # Lines that end in "nxc-node" are this program's; others are left alone.
      script = ''
        umask 077
        mkdir -p /root/.ssh
        cd /root/.ssh
        [ -e id_ed25519 ] || ln -s /etc/ssh/ssh_host_ed25519_key id_ed25519
        replace() {
          touch "$1"
          { grep -v ' nxc-node$' "$1" || true; cat; } > "$1.nxc"
          mv "$1.nxc" "$1"
        }
        pause=1
        while true; do
          names=$(awk '{ print $2 }' /etc/nxc/deployment-hosts)
          found=$(ssh-keyscan -T 2 -t ed25519 $names 2> /dev/null || true)
          echo "$found" | awk 'NF { print $0, "nxc-node" }' | replace known_hosts
          echo "$found" | awk 'NF { print $2, $3, $1, "nxc-node" }' | replace authorized_keys
          # A node that has no ssh server is asked less and less often.
          [ "$(echo "$found" | grep -c .)" -lt "$(echo "$names" | grep -c .)" ] || break
          sleep $pause
          pause=$((pause < 16 ? pause * 2 : 30))
        done
      '';
    };
    systemd.paths.nxc-between-nodes = {
      description = "Notice that the deployment's nodes changed";
      wantedBy = [ "multi-user.target" ];
      pathConfig.PathChanged = "/etc/nxc/deployment-hosts";
    };
  };
}
