# The kernel's parameters and modules, what runs at boot, and the system's own
# places for such things: assertions, warnings, activation.
{ eval, lib, ... }:
let
  evaluate = modules: (eval (modules ++ [ { boot.isContainer = true; documentation.nixos.enable = false; system.stateVersion = "19.09"; } ])).config;
  c = evaluate [
    {
      boot.kernelParams = [ "isolcpus=1" "a=b" ];
      boot.kernelModules = [ "loop" ];
      boot.blacklistedKernelModules = [ "pcspkr" ];
      boot.kernel.sysctl = { "net.ipv4.ip_forward" = true; "vm.swappiness" = 10; "kernel.core_pattern" = "core"; "net.core.somaxconn" = lib.mkDefault 1; "vm.overcommit_memory" = null; };
      boot.extraModulePackages = [ ];
      boot.postBootCommands = "echo one";
      system.activationScripts.first = "echo first";
      system.activationScripts.second = { text = "echo second"; deps = [ "first" ]; };
      warnings = [ "careful" ];
      assertions = [ { assertion = true; message = "never said"; } ];
    }
    {
      boot.kernelParams = lib.mkAfter [ "last" ];
      boot.kernelModules = [ "tun" ];
      boot.kernel.sysctl."net.core.somaxconn" = 1024;
      boot.postBootCommands = "echo two";
      warnings = lib.mkIf true [ "very careful" ];
      system.activationScripts.first = lib.mkForce "echo forced";
    }
  ];
  ours = list: wanted: lib.filter (x: lib.elem x wanted) list;
  # What is set, as the file for sysctl has it.
  lines = lib.filter (l: lib.any (name: lib.hasPrefix "${name}=" l) [ "net.ipv4.ip_forward" "vm.swappiness" "kernel.core_pattern" "net.core.somaxconn" "vm.overcommit_memory" ])
    (lib.splitString "\n" (c.environment.etc."sysctl.d/nixos.conf" or c.environment.etc."sysctl.d/60-nixos.conf").text);
  refuses = module: !(builtins.tryEval (evaluate [ module ]).system.build.toplevel.drvPath).success;
in
{
  params = ours c.boot.kernelParams [ "isolcpus=1" "a=b" "last" ];
  modules = ours c.boot.kernelModules [ "loop" "tun" ];
  blacklisted = ours c.boot.blacklistedKernelModules [ "pcspkr" ];
  sysctl = lib.sort lib.lessThan lines;
  postBoot = lib.filter (l: lib.hasPrefix "echo " l) (lib.splitString "\n" c.boot.postBootCommands);
  warnings = ours c.warnings [ "careful" "very careful" ];
  refused = lib.mapAttrs (_: refuses) {
    nothingWrong = { };
    anAssertion = { assertions = [ { assertion = false; message = "no"; } ]; };
    anAssertionOfAService = { lib, config, ... }: { assertions = lib.mkIf (config.time.timeZone != null) [ { assertion = false; message = "no"; } ]; time.timeZone = "UTC"; };
    noAssertion = { lib, config, ... }: { assertions = lib.mkIf (config.time.timeZone != null) [ { assertion = false; message = "no"; } ]; };
    anAbort = { environment.variables.A = throw "no"; };
    paramsAreTexts = { boot.isContainer = lib.mkForce false; fileSystems."/" = { device = "none"; fsType = "tmpfs"; }; boot.loader.grub.enable = false; boot.kernelParams = [ 1 ]; };
    sysctlIsASet = { boot.kernel.sysctl = [ "a=1" ]; };
    twoValuesOfSysctl = { imports = [ { boot.kernel.sysctl.a = 1; } ]; boot.kernel.sysctl.a = 2; };
    commandsAreText = { boot.postBootCommands = [ "true" ]; };
    warningsAreTexts = { warnings = [ 1 ]; };
    unknownKernel = { boot.kernelParam = [ "a" ]; };
  };
}
