# Overlays and packages as modules see them, and modules as users write them.
{ eval, lib, ... }:
let
  evaluate = modules: eval (modules ++ [ { boot.isContainer = true; documentation.nixos.enable = false; system.stateVersion = "19.09"; } ]);
  e = evaluate [
    {
      nixpkgs.overlays = [
        (self: super: { mine = super.writeText "mine-1" "one"; both = self.mine.name; })
        (self: super: { mine = super.writeText "mine-2" "two"; hello = super.hello.overrideAttrs (old: { pname = "hello"; version = "9.9"; name = "hello-9.9"; }); })
      ];
    }
    ({ pkgs, config, options, modulesPath, ... }: {
      environment.systemPackages = [ pkgs.mine pkgs.hello ];
      environment.etc = {
        own.text = "${pkgs.both} ${toString (options.services ? nginx)} ${toString (builtins.pathExists "${modulesPath}/profiles/minimal.nix")}";
        script.source = pkgs.writeScript "script" "#!/bin/sh\n";
        bin.source = "${pkgs.writeShellScriptBin "tool" "true"}/bin/tool";
        json.text = builtins.toJSON { a = [ 1 2 ]; };
      };
    })
    # A module of the user's with options of its own.
    ({ config, lib, pkgs, ... }:
      let cfg = config.lab.agent;
      in {
        options.lab.agent = {
          enable = lib.mkEnableOption "the agent";
          port = lib.mkOption { type = lib.types.port; default = 9000; };
          peers = lib.mkOption { type = lib.types.attrsOf (lib.types.submodule ({ name, ... }: { options.address = lib.mkOption { type = lib.types.str; default = "${name}.lab"; }; })); default = { }; };
          extra = lib.mkOption { type = lib.types.lines; default = ""; };
        };
        config = lib.mkIf cfg.enable {
          systemd.services.agent = { wantedBy = [ "multi-user.target" ]; environment.PORT = toString cfg.port; serviceConfig.ExecStart = "/bin/agent ${lib.concatStringsSep "," (lib.mapAttrsToList (_: p: p.address) cfg.peers)}"; };
          networking.firewall.allowedTCPPorts = [ cfg.port ];
        };
      })
    { lab.agent = { enable = true; peers.a = { }; peers.b.address = "192.0.2.7"; }; }
    { lab.agent.port = lib.mkForce 9001; lab.agent.extra = "x"; }
  ];
  c = e.config;
  pkgs = e.pkgs;
  refuses = module: !(builtins.tryEval (evaluate [ module ]).config.system.build.toplevel.drvPath).success;
  agent = { lib, ... }: { options.lab.port = lib.mkOption { type = lib.types.port; default = 1; }; options.lab.must = lib.mkOption { type = lib.types.str; }; };
in
{
  overlays = { mine = pkgs.mine.name; both = pkgs.both; hello = pkgs.hello.name; };
  installed = lib.filter (n: lib.elem n [ "mine-2" "hello-9.9" ]) (map (p: p.name) c.environment.systemPackages);
  etc = c.environment.etc.own.text;
  json = c.environment.etc.json.text;
  kinds = lib.mapAttrs (_: lib.isDerivation) { inherit (pkgs) mine hello bash coreutils; };
  functions = lib.mapAttrs (_: lib.isFunction) { inherit (pkgs) writeText writeScript writeScriptBin writeShellScriptBin runCommand callPackage symlinkJoin buildEnv fetchurl writeTextFile writeTextDir linkFarm; mkDerivation = pkgs.stdenv.mkDerivation; };
  names = { text = (pkgs.writeText "a" "b").name; script = (pkgs.writeScriptBin "tool" "x").name; run = (pkgs.runCommand "made" { } "").name; derivation = (pkgs.stdenv.mkDerivation { pname = "p"; version = "1"; src = null; }).name; joined = (pkgs.symlinkJoin { name = "joined"; paths = [ ]; }).name; };
  agent = {
    inherit (c.lab.agent) port enable extra;
    peers = lib.mapAttrs (_: p: p.address) c.lab.agent.peers;
    line = lib.filter (l: lib.hasPrefix "ExecStart=" l || lib.hasPrefix "Environment=\"PORT" l) (lib.splitString "\n" c.systemd.units."agent.service".text);
    opened = lib.elem 9001 c.networking.firewall.allowedTCPPorts;
  };
  refused = lib.mapAttrs (_: refuses) {
    nothingWrong = { imports = [ agent ]; };
    ownType = { imports = [ agent ]; lab.port = "80"; environment.variables.A = toString ((evaluate [ agent { lab.port = "80"; } ]).config.lab.port); };
    ownUndefined = { imports = [ agent ]; environment.variables.A = (evaluate [ agent ]).config.lab.must; };
    noSuchPackage = { environment.variables.A = (evaluate [ ({ pkgs, ... }: { environment.variables.B = pkgs.writeText (throw "no") ""; }) ]).config.environment.variables.B; };
  };
}
