# PAM: who may log in, and what a session gets.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;

  rules = { rootOk ? false }: ''
    ${lib.optionalString rootOk "auth sufficient pam_rootok.so"}
    auth required pam_unix.so likeauth try_first_pass
    account required pam_unix.so
    password required pam_unix.so nullok yescrypt
    session required pam_env.so readenv=1 envfile=/etc/environment
    session required pam_unix.so
    ${lib.optionalString (!config.boot.isContainer) "session optional pam_loginuid.so"}
    ${lib.optionalString config.systemd.services.systemd-logind.enable "session optional pam_systemd.so"}
    ${lib.concatMapStrings (l: "session required pam_limits.so conf=/etc/security/limits.conf\n") (lib.optional (config.security.pam.loginLimits != [ ]) 1)}
  '';
  services = {
    login = { };
    other = { };
    passwd = { };
    chpasswd.rootOk = true;
    sshd = { };
    su.rootOk = true;
    su-l.rootOk = true;
    runuser.rootOk = true;
    runuser-l.rootOk = true;
    systemd-user = { };
    useradd.rootOk = true;
  };
in
{
  options.security = {
    pam.loginLimits = mkOption {
      type = types.listOf (types.attrsOf types.anything);
      default = [ ];
      example = [ { domain = "*"; type = "soft"; item = "nofile"; value = "65536"; } ];
      description = "Resource limits of sessions, each { domain; type; item; value; }.";
    };
    pki.certificates = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Certificate authorities to trust, in PEM.";
    };
    pki.certificateFiles = mkOption {
      type = types.listOf types.path;
      default = [ ];
      description = "Files of certificate authorities to trust, in PEM.";
    };
  };
  config = {
    environment.etc = lib.mapAttrs' (name: args: lib.nameValuePair "pam.d/${name}" { text = rules args; }) services // {
      "security/limits.conf".text = lib.concatMapStrings
        (l: "${l.domain} ${l.type} ${l.item} ${toString l.value}\n")
        config.security.pam.loginLimits;
      "ssl/certs/ca-certificates.crt".source =
        if config.security.pki.certificates == [ ] && config.security.pki.certificateFiles == [ ]
        then "${pkgs.standin.tree}/etc/ssl/certs/ca-certificates.crt"
        else pkgs.runCommand "ca-certificates.crt"
          {
            inherit (pkgs.standin) tree;
            files = config.security.pki.certificateFiles;
            texts = lib.concatStringsSep "\n" config.security.pki.certificates;
            passAsFile = [ "texts" ];
          }
          ''cat "$tree/etc/ssl/certs/ca-certificates.crt" $files "$textsPath" > "$out"'';
    };
  };
}
