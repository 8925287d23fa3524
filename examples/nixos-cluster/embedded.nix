# Without Nix: a recipe's result has a name that is computed from the recipe, is
# built by ssh, and served by a web server.
{
  builder = { pkgs, ... }: {
    services.nginx = {
      enable = true;
      virtualHosts.default = {
        listen = [ { addr = "0.0.0.0"; port = 8080; } ];
        default = true;
        root = "/srv/cache";
      };
    };
    environment.systemPackages = [
      (pkgs.writeShellScriptBin "realise" ''
        set -eu
        name=$1
        mkdir -p /srv/cache
        cat > "/tmp/$name.recipe"
        out=/tmp/$name.out sh -e "/tmp/$name.recipe"
        mv "/tmp/$name.out" "/srv/cache/$name"
      '')
    ];
  };

  node = { pkgs, ... }: {
    environment.systemPackages = [
      pkgs.curl
      (pkgs.writeShellScriptBin "build" ''
        set -eu
        name=$(sha256sum < /etc/recipe | cut -c 1-32)
        curl -sf "http://builder:8080/$name" && exit
        ssh -o BatchMode=yes builder realise "$name" < /etc/recipe
        curl -sf "http://builder:8080/$name"
      '')
    ];
  };
}
