# The modules of the stand-in's NixOS.
[
  ./assertions.nix
  ./nixpkgs.nix
  ./environment.nix
  ./locale.nix
  ./users.nix
  ./security.nix
  ./networking.nix
  ./boot.nix
  ./systemd.nix
  ./system.nix
  ./services/nginx.nix
  ./services/openssh.nix
  ./services/redis.nix
  ./services/journald.nix
]
