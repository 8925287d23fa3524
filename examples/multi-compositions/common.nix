# What every node of both compositions has.
{ pkgs, ... }: {
  environment.systemPackages = [ pkgs.jq ];
  environment.etc."experiment".text = "multi-compositions\n";
}
