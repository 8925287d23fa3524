# Mistakes that NixOS refuses: a module each. Beside this file stands what NixOS
# quotes when it says so: options, files, types and values.
{
  unknownOption = { services.nginx.enabel = true; };
  unknownService = { service.nginx.enable = true; };
  unknownOfUser = { users.users.bob.isNormalUsr = true; };
  unknownOfLocation = { services.nginx.virtualHosts.a.locations."/".proxypas = "http://x"; services.nginx.enable = true; };
  bool = { services.nginx.enable = "yes"; };
  int = { users.users.bob = { isNormalUser = true; uid = "1000"; }; };
  string = { networking.hostName = 1; };
  list = { environment.systemPackages = "curl"; };
  package = { environment.systemPackages = [ "curl" ]; };
  port = { networking.firewall.enable = true; networking.firewall.allowedTCPPorts = [ 99999 ]; };
  lines = { boot.postBootCommands = 4; };
  listOfStrings = { systemd.services.a = { script = "true"; after = "b.service"; }; };
  path = { environment.etc.a.source = "here"; };
  enum = { lib, ... }: { options.mine = lib.mkOption { type = lib.types.enum [ "a" "b" ]; }; config.mine = "c"; };
  nullOr = { lib, ... }: { options.mine = lib.mkOption { type = lib.types.nullOr lib.types.int; }; config.mine = "c"; };
  either = { lib, ... }: { options.mine = lib.mkOption { type = lib.types.either lib.types.int lib.types.bool; }; config.mine = "c"; };
  attrsOf = { lib, ... }: { options.mine = lib.mkOption { type = lib.types.attrsOf lib.types.int; }; config.mine.x = "c"; };
  submodule = { lib, ... }: { options.mine = lib.mkOption { type = lib.types.submodule { options.port = lib.mkOption { type = lib.types.int; }; }; }; config.mine.port = "c"; };
  between = { lib, ... }: { options.mine = lib.mkOption { type = lib.types.ints.between 1 5; }; config.mine = 6; };
  positive = { lib, ... }: { options.mine = lib.mkOption { type = lib.types.ints.positive; }; config.mine = 0; };
  matching = { lib, ... }: { options.mine = lib.mkOption { type = lib.types.strMatching "[a-z]+"; }; config.mine = "A"; };
  undefined = { lib, ... }: { options.mine = lib.mkOption { type = lib.types.int; }; };
  conflict = { lib, ... }: { imports = [ { mine = 1; } ]; options.mine = lib.mkOption { type = lib.types.int; }; config.mine = 2; };
  readOnly = { lib, ... }: { imports = [ { mine = 1; } ]; options.mine = lib.mkOption { type = lib.types.int; readOnly = true; }; config.mine = 2; };
  declaredTwice = { lib, ... }: { imports = [ { options.mine = lib.mkOption { type = lib.types.int; }; } ]; options.mine = lib.mkOption { type = lib.types.str; }; config.mine = 2; };
  assertion = { assertions = [ { assertion = false; message = "`this' is said"; } ]; };
}
