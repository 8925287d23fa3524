# Users and groups. Their files are made when the system is built; passwords
# that are given in clear are hashed at the first boot.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types mapAttrsToList filterAttrs attrValues concatMapStrings optionalString;
  cfg = config.users;

  userModule = { name, config, ... }: {
    options = {
      enable = mkOption { type = types.bool; default = true; description = "Whether the user exists."; };
      name = mkOption { type = types.passwdEntry types.str; default = name; description = "The login name."; };
      description = mkOption {
        type = types.passwdEntry types.str;
        default = "";
        description = "The user's full name.";
      };
      uid = mkOption {
        type = types.nullOr types.int;
        default = null;
        description = "The user's number; null takes a free one.";
      };
      isNormalUser = mkOption {
        type = types.bool;
        default = false;
        description = "Whether this is a person: with a home, a shell and the group users.";
      };
      isSystemUser = mkOption {
        type = types.bool;
        default = false;
        description = "Whether this is a service's user.";
      };
      group = mkOption {
        type = types.str;
        default = if config.isNormalUser then "users" else "";
        description = "The primary group.";
      };
      extraGroups = mkOption { type = types.listOf types.str; default = [ ]; description = "Further groups."; };
      home = mkOption {
        type = types.passwdEntry types.path;
        default = if config.isNormalUser then "/home/${config.name}" else "/var/empty";
        description = "The home folder.";
      };
      createHome = mkOption {
        type = types.bool;
        default = config.isNormalUser;
        description = "Whether the home folder is made at boot.";
      };
      homeMode = mkOption {
        type = types.strMatching "[0-7]{1,5}";
        default = "700";
        description = "The home folder's mode.";
      };
      shell = mkOption {
        type = types.nullOr (types.either types.shellPackage (types.passwdEntry types.path));
        default = if config.isNormalUser then pkgs.standin.bash else "/usr/bin/nologin";
        description = "The login shell.";
      };
      useDefaultShell = mkOption {
        type = types.bool;
        default = config.isNormalUser;
        description = "Whether the default shell is used.";
      };
      packages = mkOption {
        type = types.listOf types.package;
        default = [ ];
        description = "Packages for this user; here, everybody sees them.";
      };
      password = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "The password in clear. It is readable in the store.";
      };
      initialPassword = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "The first password in clear. It is readable in the store.";
      };
      hashedPassword = mkOption {
        type = types.nullOr (types.passwdEntry types.str);
        default = null;
        description = "The password as mkpasswd writes it.";
      };
      initialHashedPassword = mkOption {
        type = types.nullOr (types.passwdEntry types.str);
        default = null;
        description = "The first password as mkpasswd writes it.";
      };
      hashedPasswordFile = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "A file of the node with the hashed password.";
      };
      passwordFile = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "A file of the node with the hashed password.";
      };
      openssh.authorizedKeys.keys = mkOption {
        type = types.listOf types.singleLineStr;
        default = [ ];
        description = "Public keys that may log in.";
      };
      openssh.authorizedKeys.keyFiles = mkOption {
        type = types.listOf types.path;
        default = [ ];
        description = "Files of public keys that may log in.";
      };
      subUidRanges = mkOption {
        type = types.listOf types.anything;
        default = [ ];
        description = "Accepted for compatibility with NixOS.";
      };
      subGidRanges = mkOption {
        type = types.listOf types.anything;
        default = [ ];
        description = "Accepted for compatibility with NixOS.";
      };
      linger = mkOption {
        type = types.bool;
        default = false;
        description = "Accepted for compatibility with NixOS.";
      };
      ignoreShellProgramCheck = mkOption {
        type = types.bool;
        default = false;
        description = "Accepted for compatibility with NixOS.";
      };
      autoSubUidGidRange = mkOption {
        type = types.bool;
        default = false;
        description = "Accepted for compatibility with NixOS.";
      };
      expires = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "Accepted for compatibility with NixOS.";
      };
    };
  };
  groupModule = { name, ... }: {
    options = {
      name = mkOption {
        type = types.passwdEntry types.str;
        default = name;
        description = "The group's name.";
      };
      gid = mkOption {
        type = types.nullOr types.int;
        default = null;
        description = "The group's number; null takes a free one.";
      };
      members = mkOption { type = types.listOf types.str; default = [ ]; description = "Users in the group."; };
    };
  };

  users = filterAttrs (_: u: u.enable) cfg.users;

  # Numbers that the configuration left open, in the order of names: persons
  # from 1000, services from 399 downwards.
  numbered = { names, given, first, step }:
    let
      taken = attrValues given;
      go = state: name:
        let n = next state.candidate; in { candidate = n + step; numbers = state.numbers // { ${name} = n; }; };
      next = n: if builtins.elem n taken then next (n + step) else n;
    in
    (lib.foldl' go { candidate = first; numbers = { }; } names).numbers;
  open = set: key: filterAttrs (_: v: v.${key} == null) set;
  fixed = set: key: lib.mapAttrs (_: v: v.${key}) (filterAttrs (_: v: v.${key} != null) set);
  uids = fixed users "uid"
    // numbered {
      names = lib.attrNames (filterAttrs (_: u: u.isNormalUser) (open users "uid"));
      given = fixed users "uid";
      first = 1000;
      step = 1;
    }
    // numbered {
      names = lib.attrNames (filterAttrs (_: u: !u.isNormalUser) (open users "uid"));
      given = fixed users "uid";
      first = 399;
      step = -1;
    };
  gids = fixed cfg.groups "gid"
    // numbered {
      names = lib.attrNames (open cfg.groups "gid");
      given = fixed cfg.groups "gid";
      first = 399;
      step = -1;
    };
  gidByName = lib.mapAttrs' (n: g: lib.nameValuePair g.name gids.${n}) cfg.groups;

  groupOf = user: if user.group == "" then "nogroup" else user.group;
  gidOf = user: toString gidByName.${groupOf user};
  membersOf = group:
    let isMember = user: builtins.elem group.name user.extraGroups;
    in lib.unique (group.members ++ map (u: u.name) (builtins.filter isMember (attrValues users)));
  hashOf = user:
    if user.hashedPassword != null then user.hashedPassword
    else if user.initialHashedPassword != null then user.initialHashedPassword
    else "!";
  clearOf = user: if user.password != null then user.password else user.initialPassword;
  fileOf = user: if user.hashedPasswordFile != null then user.hashedPasswordFile else user.passwordFile;
  shellOf = user:
    if user.shell == null then "/usr/bin/nologin"
    else if lib.isDerivation user.shell then lib.getExe user.shell
    else toString user.shell;
  keysOf = user:
    let inherit (user.openssh.authorizedKeys) keys keyFiles;
    in lib.concatMapStrings (key: key + "\n") (keys ++ map builtins.readFile keyFiles);
  # What several have, of a number that is to be one's own.
  shared = numbers: lib.filterAttrs (_: names: builtins.length names > 1)
    (lib.groupBy (name: toString numbers.${name}) (lib.attrNames numbers));
  collisions = what: numbers: mapAttrsToList
    (number: names: {
      assertion = !cfg.enforceIdUniqueness;
      message = "The ${what} ${lib.concatStringsSep ", " names} have the same number, ${number}.";
    })
    (shared numbers);
  byNumber = lib.sortOn (name: uids.${name}) (lib.attrNames users);
  passwdLine = name:
    let user = users.${name};
    in lib.concatStringsSep ":" [
      user.name
      "x"
      (toString uids.${name})
      (gidOf user)
      user.description
      user.home
      (shellOf user)
    ] + "\n";
in
{
  options.users = {
    users = mkOption {
      type = types.attrsOf (types.submodule userModule);
      default = { };
      description = "Users.";
    };
    groups = mkOption {
      type = types.attrsOf (types.submodule groupModule);
      default = { };
      description = "Groups.";
    };
    enforceIdUniqueness = mkOption {
      type = types.bool;
      default = true;
      description = "Whether no two users, and no two groups, may have one number.";
    };
    mutableUsers = mkOption {
      type = types.bool;
      default = true;
      description = "Accepted: a node starts with exactly these users, and may change them.";
    };
    defaultUserShell = mkOption {
      type = types.either types.path types.package;
      default = pkgs.standin.bash;
      description = "The shell of persons.";
    };
    motd = mkOption {
      type = types.nullOr types.lines;
      default = null;
      description = "The message after a login.";
    };
  };
  imports = [
    (lib.mkAliasOptionModule [ "users" "extraUsers" ] [ "users" "users" ])
    (lib.mkAliasOptionModule [ "users" "extraGroups" ] [ "users" "groups" ])
  ];

  config = {
    users.users = {
      root = {
        uid = 0;
        group = "root";
        home = "/root";
        shell = lib.mkDefault pkgs.standin.bash;
        description = "System administrator";
      };
      nobody = { uid = 65534; group = "nogroup"; description = "Unprivileged account (don't use!)"; };
      messagebus = { uid = 4; group = "messagebus"; isSystemUser = true; };
      systemd-network = { uid = 152; group = "systemd-network"; isSystemUser = true; };
      systemd-resolve = { uid = 153; group = "systemd-resolve"; isSystemUser = true; };
      systemd-timesync = { uid = 154; group = "systemd-timesync"; isSystemUser = true; };
    };
    users.groups = {
      root.gid = 0; wheel.gid = 1; kmem.gid = 2; tty.gid = 3; messagebus.gid = 4; disk.gid = 6; audio.gid = 17;
      floppy.gid = 18; uucp.gid = 19; lp.gid = 20; cdrom.gid = 24; tape.gid = 25; video.gid = 26; dialout.gid = 27;
      utmp.gid = 29; adm.gid = 55; users.gid = 100; input.gid = 174; sgx.gid = 304; render.gid = 303; kvm.gid = 302;
      shadow.gid = 318; systemd-journal.gid = 62; systemd-network.gid = 152; systemd-resolve.gid = 153;
      systemd-timesync.gid = 154; nogroup.gid = 65534;
    };
    environment.systemPackages = lib.concatMap (u: u.packages) (attrValues users);
    environment.etc = {
      "shells".text = "/bin/bash\n/bin/sh\n${pkgs.standin.bash}\n/run/current-system/sw/bin/bash\n";
      "motd" = lib.mkIf (cfg.motd != null) { text = cfg.motd; };
    } // lib.mapAttrs' (_: u: lib.nameValuePair "ssh/authorized_keys.d/${u.name}" { text = keysOf u; mode = "0444"; })
      (filterAttrs (_: u: keysOf u != "") users);

    assertions = collisions "users" (fixed users "uid") ++ collisions "groups" (fixed cfg.groups "gid") ++ mapAttrsToList
      (n: u: {
        assertion = u.group == "" || gidByName ? ${u.group};
        message = "The user ${n} is in the group ${u.group}, which users.groups does not declare.";
      })
      users ++ mapAttrsToList
      (n: u: {
        assertion = u.isNormalUser || u.isSystemUser || u.uid != null;
        message = "Exactly one of users.users.${n}.isSystemUser and users.users.${n}.isNormalUser must be set.";
      })
      users;

    system.build.users = {
      passwd = concatMapStrings passwdLine byNumber;
      group = concatMapStrings
        (n: let g = cfg.groups.${n}; in "${g.name}:x:${toString gids.${n}}:${lib.concatStringsSep "," (membersOf g)}\n")
        (lib.sortOn (n: gids.${n}) (lib.attrNames cfg.groups));
      shadow = concatMapStrings (n: "${users.${n}.name}:${hashOf users.${n}}:1::::::\n") byNumber;
      gshadow = concatMapStrings (n: "${cfg.groups.${n}.name}:!::\n") (lib.attrNames cfg.groups);

      # Done at each boot: homes, and passwords that only the node can hash.
      script = concatMapStrings
        (n:
          let
            u = users.${n};
            owner = "${toString uids.${n}}:${gidOf u}";
          in
          optionalString u.createHome ''
            if [ ! -d ${lib.escapeShellArg u.home} ]; then
              mkdir -p ${lib.escapeShellArg u.home}
              chown ${owner} ${lib.escapeShellArg u.home}
              chmod ${u.homeMode} ${lib.escapeShellArg u.home}
            fi
          '' + optionalString (u.hashedPassword == null && clearOf u != null) ''
            printf '%s\n' ${lib.escapeShellArg "${u.name}:${clearOf u}"} | set_passwords -c SHA512
          '' + optionalString (fileOf u != null) ''
            hash=$(head -n 1 ${lib.escapeShellArg (fileOf u)})
            printf '%s:%s\n' ${lib.escapeShellArg u.name} "$hash" | set_passwords -e
          '')
        (lib.attrNames users);

    };
  };
}
