# One role runs the kernel that is usual, the other one what is to be compared
# with it: another kernel, other parameters, other settings while it runs.
#
# A kernel of one's own, with a patch or other options, is (with a real nixpkgs)
#
#   boot.kernelPatches = [ {
#     name = "mine";
#     patch = ./mine.patch;                # or null
#     extraConfig = "PREEMPT_VOLUNTARY y";
#   } ];
{ pkgs, setup, ... }:
let inherit (setup.params) kernel parameters;
in
{
  roles = {
    usual = { };

    compared = { pkgs, ... }: {
      boot.kernelPackages = pkgs.${kernel};
      boot.kernelParams = parameters;
      boot.kernel.sysctl."vm.swappiness" = 10;
    };
  };

  testScript = ''
    for parameter in "${toString parameters}".split():
        compared.succeed(f"grep -w {parameter} /proc/cmdline")
    usual.fail("grep -w transparent_hugepage=never /proc/cmdline")
    t.assertEqual(compared.succeed("cat /proc/sys/vm/swappiness"), "10\n")
    compared.succeed("grep '\\[never\\]' /sys/kernel/mm/transparent_hugepage/enabled")

    for machine in machines:
        print(machine.name, machine.succeed("uname -r").strip())
  '';
}
