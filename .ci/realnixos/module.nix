# What Debian's files cannot give, and where they look for each other.
{ lib, pkgs, ... }:
{
  documentation.enable = false;
  services.nscd.enable = false;
  system.nssModules = lib.mkForce [ ];
  security.sudo.enable = false;
  security.rngd.enable = false;
  security.polkit.enable = false;
  fonts.fontconfig.enable = false;
  environment.etc."nix/nix.conf".enable = false;
  i18n.supportedLocales = [ ];
  xdg = lib.genAttrs [ "mime" "icons" "autostart" "menus" "sounds" ] (_: { enable = false; });
  programs.command-not-found.enable = false;
  systemd.tmpfiles.rules = [ "d /run/sshd 0755 root root -" "d /var/lib/nginx 0755 root root -" "d /var/log/nginx 0755 root root -" ];
  system.activationScripts.a-debian = { deps = [ ]; text = "ln -sfn ${pkgs.bash}/lib /lib"; };
  boot.enableContainers = false;
  security.wrappers = lib.mkForce { };
  services.udev.packages = lib.mkForce [ ];
}
