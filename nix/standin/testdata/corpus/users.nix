# Users and groups: what several modules say of the same one, and what is refused.
{ eval, lib, ... }:
let
  evaluate = modules: (eval (modules ++ [ { boot.isContainer = true; documentation.nixos.enable = false; system.stateVersion = "19.09"; } ])).config;
  c = evaluate [
    {
      users.users.bob = { isNormalUser = true; home = "/data/bob"; description = "Bob B."; extraGroups = [ "video" ]; hashedPassword = "$6$salt$hash"; };
      users.users.carol = { isNormalUser = true; createHome = false; group = "lab"; uid = 2000; };
      users.users.service = { isSystemUser = true; group = "service"; home = "/var/lib/service"; createHome = true; uid = 450; };
      users.groups = { lab.gid = 800; lab.members = [ "bob" ]; service = { }; };
      users.mutableUsers = false;
      users.users.root.openssh.authorizedKeys.keys = [ "ssh-ed25519 AAAA root" ];
    }
    {
      users.users.bob = { extraGroups = lib.mkBefore [ "audio" ]; description = lib.mkForce "Robert"; };
      users.groups.lab.members = [ "dave" ];
      users.extraUsers.dave = { isNormalUser = true; };
      users.extraGroups.other.gid = 801;
      users.users.root.openssh.authorizedKeys.keys = [ "ssh-ed25519 BBBB root" ];
      users.users.root.password = "secret";
      services.openssh.enable = true;
      users.users.root.initialHashedPassword = lib.mkForce null;
    }
    ({ config, lib, ... }: { users.users.erin = lib.mkIf config.services.openssh.enable { isNormalUser = true; name = "erin2"; }; })
  ];
  refuses = module: !(builtins.tryEval (evaluate [ module ]).system.build.toplevel.drvPath).success;
in
{
  bob = { inherit (c.users.users.bob) home description extraGroups group createHome hashedPassword isNormalUser isSystemUser name; };
  carol = { inherit (c.users.users.carol) home createHome group uid; };
  dave = { inherit (c.users.users.dave) home group isNormalUser; };
  erin = { inherit (c.users.users.erin) name home; };
  service = { inherit (c.users.users.service) home createHome group uid isSystemUser isNormalUser; };
  root = { inherit (c.users.users.root) uid home group password; keys = c.users.users.root.openssh.authorizedKeys.keys; };
  groups = { inherit (c.users.groups.lab) gid members name; other = c.users.groups.other.gid; };
  fixed = lib.mapAttrs (_: g: g.gid) { inherit (c.users.groups) root wheel tty disk audio video users kvm adm utmp dialout; };
  mutable = c.users.mutableUsers;
  noPassword = { inherit ((evaluate [ { users.users.x.isNormalUser = true; } ]).users.users.x) password hashedPassword initialPassword initialHashedPassword; };
  refused = lib.mapAttrs (_: refuses) {
    nothingWrong = { };
    noKind = { users.users.bob.isNormalUser = lib.mkForce "no"; };
    wrongUid = { users.users.bob = { isNormalUser = true; uid = "1000"; }; };
    twoUids = { imports = [ { users.users.bob.uid = 1000; } ]; users.users.bob = { isNormalUser = true; uid = 1001; }; };
    relativeHome = { users.users.bob = { isNormalUser = true; home = "bob"; }; };
    keysNoList = { services.openssh.enable = true; users.users.root.openssh.authorizedKeys.keys = "ssh-ed25519 AAAA"; };
    unknownOfUser = { users.users.bob = { isNormalUser = true; shel = "/bin/sh"; }; };
    unknownOfGroup = { users.groups.lab.id = 4; };
    oneUidOnPurpose = { users.enforceIdUniqueness = false; users.users.bob = { isNormalUser = true; uid = 1000; }; users.users.eve = { isNormalUser = true; uid = 1000; }; };
    twoWithOneGid = { users.groups.a.gid = 900; users.groups.b.gid = 900; };
    twoWithOneUid = { users.users.bob = { isNormalUser = true; uid = 1000; }; users.users.eve = { isNormalUser = true; uid = 1000; }; };
  };
}
