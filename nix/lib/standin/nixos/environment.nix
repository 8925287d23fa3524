# What a role's users find: programs, files in /etc, variables.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types concatStringsSep mapAttrsToList;
  cfg = config.environment;

  # An export line; $ keeps its meaning, as in NixOS.
  exportLine = name: value: ''export ${name}="${lib.replaceStrings [ "\"" ] [ "\\\"" ] value}"'';

  # Programs that NixOS has on every machine, of those that the stand-in has.
  required = with pkgs; [
    bashInteractive bzip2 coreutils cpio curl dbus diffutils findutils gawk
    getent gnugrep gnupatch gnused gnutar gzip hostname iproute2 iputils kmod
    less ncurses netcat openssh procps psmisc shadow su systemd time util-linux
    which xz zstd
  ];
in
{
  options.environment = {
    systemPackages = mkOption {
      type = types.listOf types.package;
      default = [ ];
      example = lib.literalExpression "[ pkgs.curl pkgs.jq ]";
      description = "Packages whose programs are on every user's PATH.";
    };
    defaultPackages = mkOption {
      type = types.listOf types.package;
      default = [ ];
      description = "Packages that a role may remove with mkForce.";
    };
    corePackages = mkOption {
      type = types.listOf types.package;
      default = required;
      internal = true;
      description = "Packages that every system has.";
    };
    pathsToLink = mkOption {
      type = types.listOf types.str;
      default = [ "/bin" "/share" ];
      description = "Folders of packages that are linked into the system's environment.";
    };
    extraInit = mkOption {
      type = types.lines;
      default = "";
      description = "Shell commands for the initialisation of every login shell.";
    };
    shellInit = mkOption {
      type = types.lines;
      default = "";
      description = "Shell commands for every login shell.";
    };
    loginShellInit = mkOption {
      type = types.lines;
      default = "";
      description = "Shell commands for login shells.";
    };
    interactiveShellInit = mkOption {
      type = types.lines;
      default = "";
      description = "Shell commands for interactive shells.";
    };
    shellAliases = mkOption {
      type = types.attrsOf (types.nullOr types.str);
      default = { };
      description = "Aliases in interactive shells.";
    };
    shells = mkOption {
      type = types.listOf types.anything;
      default = [ ];
      description = "Shells that users may choose.";
    };
    variables = mkOption {
      type = types.attrsOf (types.nullOr (types.oneOf [ (types.listOf (types.oneOf [ types.int types.str types.path ])) types.int types.str types.path ]));
      default = { };
      apply = set: lib.mapAttrs (_: value: lib.concatMapStringsSep ":" toString (lib.toList value)) (lib.filterAttrs (_: value: value != null) set);
      example = { EDITOR = "vi"; };
      description = "Variables in every session; lists are joined with colons.";
    };
    sessionVariables = mkOption {
      type = types.attrsOf types.anything;
      default = { };
      description = "Variables in every session, set by PAM.";
    };
    etc = mkOption {
      type = types.attrsOf (types.submodule ({ name, config, options, ... }: {
        options = {
          enable = mkOption { type = types.bool; default = true; description = "Whether the file exists."; };
          target = mkOption { type = types.str; default = name; description = "Name below /etc."; };
          text = mkOption {
            type = types.nullOr types.lines;
            default = null;
            description = "The file's content.";
          };
          source = mkOption {
            type = types.nullOr types.path;
            default = null;
            description = "The file or folder to link to.";
          };
          mode = mkOption {
            type = types.str;
            default = "symlink";
            example = "0600";
            description = "symlink, or the mode of a copy.";
          };
          user = mkOption { type = types.str; default = "+${toString config.uid}"; description = "Owner of a copy."; };
          group = mkOption { type = types.str; default = "+${toString config.gid}"; description = "Group of a copy."; };
          uid = mkOption { type = types.int; default = 0; description = "Owner's number of a copy."; };
          gid = mkOption { type = types.int; default = 0; description = "Group's number of a copy."; };
        };
      }));
      default = { };
      example = { "motd".text = "Welcome."; };
      description = "Files in /etc.";
    };
  };
  options.programs.bash = {
    interactiveShellInit = mkOption {
      type = types.lines;
      default = "";
      description = "Commands for interactive bash.";
    };
    loginShellInit = mkOption { type = types.lines; default = ""; description = "Commands for login bash."; };
    shellInit = mkOption { type = types.lines; default = ""; description = "Commands for bash."; };
    shellAliases = mkOption {
      type = types.attrsOf (types.nullOr types.str);
      default = { };
      description = "Aliases in bash.";
    };
    promptInit = mkOption {
      type = types.lines;
      default = ''PS1='[\u@\h:\w]\$ ' '';
      description = "Sets the prompt.";
    };
    enableCompletion = mkOption {
      type = types.bool;
      default = true;
      description = "Accepted for compatibility with NixOS.";
    };
  };

  config = {
    environment.systemPackages = cfg.corePackages ++ cfg.defaultPackages;
    environment.variables = lib.mapAttrs (_: lib.mkDefault) cfg.sessionVariables;
    environment.etc = {
      "profile".text = ''
        # Read by every login shell.
        [ -n "$__ETC_PROFILE_SOURCED" ] && return
        __ETC_PROFILE_SOURCED=1
        . /etc/set-environment
        ${cfg.shellInit}
        ${cfg.loginShellInit}
        ${config.programs.bash.loginShellInit}
        if [ -n "$BASH_VERSION" ] && [ -n "$PS1" ]; then . /etc/bashrc; fi
      '';
      "bashrc".text = ''
        # Read by every interactive bash.
        [ -n "$__ETC_BASHRC_SOURCED" ] && return
        __ETC_BASHRC_SOURCED=1
        [ -n "$__ETC_PROFILE_SOURCED" ] || . /etc/profile
        ${config.programs.bash.promptInit}
        ${concatStringsSep "\n" (mapAttrsToList (n: v: "alias -- ${n}=${lib.escapeShellArg v}")
          (lib.filterAttrs (_: v: v != null) (cfg.shellAliases // config.programs.bash.shellAliases)))}
        ${cfg.interactiveShellInit}
        ${config.programs.bash.interactiveShellInit}
      '';
      "bash.bashrc".text = ". /etc/bashrc\n";
      "set-environment".text = ''
        export PATH="/run/wrappers/bin:$HOME/.nix-profile/bin:/run/current-system/sw/bin"
        ${concatStringsSep "\n" (mapAttrsToList exportLine cfg.variables)}
        ${cfg.extraInit}
      '';
      # For sessions without a login shell, through PAM.
      "environment".text = ''
        PATH="/run/wrappers/bin:/run/current-system/sw/bin"
        ${concatStringsSep "\n" (mapAttrsToList (n: v: ''${n}="${v}"'') cfg.variables)}
      '';
    };
    system.path = pkgs.buildEnv {
      name = "system-path";
      paths = cfg.systemPackages;
      inherit (cfg) pathsToLink;
      ignoreCollisions = true;
    };
  };
}
