# Files of /etc, variables, aliases, and what is on the PATH.
{ eval, lib, ... }:
let
  evaluate = modules: eval (modules ++ [ { boot.isContainer = true; documentation.nixos.enable = false; system.stateVersion = "19.09"; } ]);
  e = evaluate [
    ({ pkgs, ... }: {
      environment.etc = {
        "app/a".text = "one\n";
        "app/secret" = { text = "s"; mode = "0600"; user = "root"; group = "wheel"; };
        "app/numbers" = { text = "n"; mode = "0440"; uid = 7; gid = 8; };
        renamed = { target = "app/other-name"; text = "x"; };
        link.source = "/var/lib/elsewhere";
        off = { enable = false; text = "never"; };
        forced.text = lib.mkForce "by force";
        both.text = "first";
        "resolv-extra".text = lib.mkDefault "weak";
      };
      environment.systemPackages = [ pkgs.hello pkgs.curl ];
      environment.variables = { A = "1"; N = 3; LIST = [ "/a" "/b" ]; OVER = lib.mkDefault "weak"; };
      environment.sessionVariables.S = "session";
      environment.shellAliases = { ll = lib.mkForce "ls -la"; gs = "git status"; };
      environment.shellInit = "export INIT=1";
      environment.interactiveShellInit = "echo hi";
      environment.loginShellInit = "echo login";
      programs.bash.interactiveShellInit = "set -o vi";
      programs.bash.loginShellInit = "umask 022";
      programs.bash.enableCompletion = false;
      time.timeZone = "Europe/Paris";
      security.pam.loginLimits = [ { domain = "*"; type = "soft"; item = "nofile"; value = "65536"; } ];
      security.sudo.enable = false;
    })
    ({ pkgs, ... }: {
      environment.etc.both.text = lib.mkAfter "second";
      environment.etc.forced.text = "in vain";
      environment.etc."resolv-extra".text = "strong";
      environment.variables.OVER = "strong";
      environment.variables.LIST = [ "/c" ];
      environment.systemPackages = lib.mkBefore [ pkgs.jq ];
      environment.interactiveShellInit = lib.mkBefore "echo before";
    })
  ];
  c = e.config;
  file = name: let f = c.environment.etc.${name}; in { inherit (f) target mode enable user group uid gid; };
  names = map (p: (builtins.parseDrvName p.name).name) c.environment.systemPackages;
  refuses = module: !(builtins.tryEval (evaluate [ module ]).config.system.build.toplevel.drvPath).success;
in
{
  files = lib.genAttrs [ "app/a" "app/secret" "app/numbers" "renamed" "link" "off" ] file;
  texts = lib.genAttrs [ "app/a" "app/secret" "forced" "both" "resolv-extra" ] (n: c.environment.etc.${n}.text);
  source = toString c.environment.etc.link.source;
  noText = c.environment.etc.link.text;
  packages = { order = lib.filter (n: lib.elem n [ "hello" "curl" "jq" ]) names; };
  variables = { inherit (c.environment.variables) A LIST OVER; };
  session = { inherit (c.environment.sessionVariables) S; reaches = c.environment.variables.S or "not"; };
  aliases = { inherit (c.environment.shellAliases) ll gs; };
  inits = {
    shell = lib.hasInfix "export INIT=1" c.environment.shellInit;
    interactive = lib.hasPrefix "echo before\n" c.environment.interactiveShellInit;
    login = lib.hasInfix "echo login" c.environment.loginShellInit;
    bash = lib.hasInfix "set -o vi" c.programs.bash.interactiveShellInit;
  };
  zone = c.time.timeZone;
  limits = c.security.pam.loginLimits;
  refused = lib.mapAttrs (_: refuses) {
    nothingWrong = { };
    modeIsText = { environment.etc.a = { text = "a"; mode = 600; }; };
    textIsText = { environment.etc.a.text = 1; };
    twoModes = { imports = [ { environment.etc.a.mode = "0600"; } ]; environment.etc.a = { text = "a"; mode = "0644"; }; };
    nothingIn = { environment.etc.a = { }; };
    relativeSource = { environment.etc.a.source = "here"; };
    unknownOfFile = { environment.etc.a = { text = "a"; owner = "root"; }; };
    packagesAreNoText = { environment.systemPackages = [ "curl" ]; };
    packagesAreAList = { pkgs, ... }: { environment.systemPackages = pkgs.curl; };
    variableIsASet = { environment.variables.A = { a = 1; }; };
    aliasIsNumber = { environment.shellAliases.a = 1; };
    zoneIsNumber = { time.timeZone = 2; };
  };
}
