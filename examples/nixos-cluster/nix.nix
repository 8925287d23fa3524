# With Nix: a remote builder and a binary cache.
{
  builder = { pkgs, ... }: {
    services.nix-serve = {
      enable = true;
      port = 8080;
      secretKeyFile = "/var/lib/nix-serve.key";
    };
    # The cache signs with a key that is made here; nodes ask for no signature,
    # because they reach the cache in the deployment's own network.
    systemd.services.nix-serve-key = {
      description = "Make the key of the cache";
      requiredBy = [ "nix-serve.service" ];
      before = [ "nix-serve.service" ];
      serviceConfig.Type = "oneshot";
      path = [ pkgs.nix ];
      script = ''
        umask 077
        [ -e /var/lib/nix-serve.key ] ||
          nix-store --generate-binary-cache-key builder /var/lib/nix-serve.key /var/lib/nix-serve.pub
      '';
    };
  };

  node = { pkgs, ... }: {
    nix.distributedBuilds = true;
    nix.buildMachines = [ {
      hostName = "builder";
      system = pkgs.stdenv.hostPlatform.system;
      sshUser = "root";
      sshKey = "/root/.ssh/id_ed25519";
      maxJobs = 2;
    } ];
    nix.extraOptions = ''
      max-jobs = 0
      extra-substituters = http://builder:8080
      require-sigs = false
    '';

    environment.etc."recipe.nix".text = ''
      derivation {
        name = "recipe";
        system = builtins.currentSystem;
        builder = "/bin/sh";
        args = [ "-e" (builtins.toFile "recipe" (builtins.readFile /etc/recipe)) ];
      }
    '';
    environment.systemPackages = [
      (pkgs.writeShellScriptBin "build" ''
        cat "$(nix-build --no-out-link /etc/recipe.nix)"
      '')
    ];
  };
}
