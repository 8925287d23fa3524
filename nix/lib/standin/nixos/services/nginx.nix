# The web server.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types mkIf concatMapStrings optionalString mapAttrsToList concatStringsSep;
  cfg = config.services.nginx;

  setting = v: if v == true then "on" else if v == false then "off" else toString v;
  listen = types.submodule {
    options = {
      addr = mkOption { type = types.str; default = ""; description = "Address; empty for all."; };
      port = mkOption { type = types.nullOr types.port; default = 80; description = "Port."; };
      ssl = mkOption {
        type = types.bool;
        default = false;
        description = "Whether connections are encrypted.";
      };
      extraParameters = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Further parameters of listen.";
      };
    };
  };
  location = types.submodule {
    options = {
      proxyPass = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "Where requests are passed on to.";
      };
      proxyWebsockets = mkOption {
        type = types.bool;
        default = false;
        description = "Whether websockets are passed on.";
      };
      root = mkOption { type = types.nullOr types.path; default = null; description = "Folder of files."; };
      alias = mkOption {
        type = types.nullOr types.path;
        default = null;
        description = "Folder of files, without the location's path.";
      };
      index = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "Names of index files.";
      };
      tryFiles = mkOption { type = types.nullOr types.str; default = null; description = "Files to try."; };
      return = mkOption {
        type = types.nullOr (types.oneOf [ types.str types.int ]);
        default = null;
        description = "Answer of every request.";
      };
      fastcgiParams = mkOption {
        type = types.attrsOf (types.either types.str types.path);
        default = { };
        description = "FastCGI parameters.";
      };
      basicAuth = mkOption {
        type = types.attrsOf types.str;
        default = { };
        description = "Names and passwords; the store holds them readable.";
      };
      basicAuthFile = mkOption {
        type = types.nullOr types.path;
        default = null;
        description = "File of names and passwords.";
      };
      priority = mkOption { type = types.int; default = 1000; description = "Order among locations."; };
      recommendedProxySettings = mkOption {
        type = types.bool;
        default = cfg.recommendedProxySettings;
        description = "Whether the usual headers are passed on.";
      };
      extraConfig = mkOption { type = types.lines; default = ""; description = "Lines of the location."; };
    };
  };
  virtualHost = types.submodule {
    options = {
      serverName = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "The site's name; by default its attribute's.";
      };
      serverAliases = mkOption { type = types.listOf types.str; default = [ ]; description = "Other names."; };
      listen = mkOption { type = types.listOf listen; default = [ ]; description = "Addresses and ports."; };
      listenAddresses = mkOption { type = types.listOf types.str; default = [ ]; description = "Addresses."; };
      default = mkOption {
        type = types.bool;
        default = false;
        description = "Whether it answers for unknown names.";
      };
      root = mkOption { type = types.nullOr types.path; default = null; description = "Folder of files."; };
      locations = mkOption { type = types.attrsOf location; default = { }; description = "Locations."; };
      globalRedirect = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "Site that all requests are sent to.";
      };
      redirectCode = mkOption { type = types.int; default = 301; description = "Code of globalRedirect."; };
      onlySSL = mkOption { type = types.bool; default = false; description = "Only encrypted connections."; };
      addSSL = mkOption { type = types.bool; default = false; description = "Encrypted connections as well."; };
      forceSSL = mkOption {
        type = types.bool;
        default = false;
        description = "Sends others to encrypted connections.";
      };
      enableACME = mkOption {
        type = types.bool;
        default = false;
        description = "Not possible for nodes of a composition.";
      };
      useACMEHost = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "Not possible for nodes of a composition.";
      };
      http2 = mkOption { type = types.bool; default = true; description = "Whether HTTP/2 is offered."; };
      sslCertificate = mkOption {
        type = types.nullOr types.path;
        default = null;
        description = "File of the certificate.";
      };
      sslCertificateKey = mkOption {
        type = types.nullOr types.path;
        default = null;
        description = "File of the key.";
      };
      basicAuth = mkOption {
        type = types.attrsOf types.str;
        default = { };
        description = "Names and passwords; the store holds them readable.";
      };
      basicAuthFile = mkOption {
        type = types.nullOr types.path;
        default = null;
        description = "File of names and passwords.";
      };
      extraConfig = mkOption { type = types.lines; default = ""; description = "Lines of the server."; };
    };
  };

  proxyHeaders = ''
    proxy_set_header Host $host;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
  '';
  auth = v:
    if v.basicAuthFile != null then "auth_basic secured; auth_basic_user_file ${v.basicAuthFile};\n"
    else optionalString (v.basicAuth != { }) "auth_basic secured; auth_basic_user_file ${pkgs.writeText "htpasswd" (concatStringsSep "" (mapAttrsToList (n: p: "${n}:{PLAIN}${p}\n") v.basicAuth))};\n";
  line = key: v: optionalString (v != null) "${key} ${toString v};\n";

  locationText = path: l: ''
    location ${path} {
      ${line "proxy_pass" l.proxyPass}${optionalString l.proxyWebsockets ''
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "upgrade";
      ''}${line "root" l.root}${line "alias" l.alias}${line "index" l.index}${line "try_files" l.tryFiles}${line "return" l.return}
      ${optionalString (l.proxyPass != null && l.recommendedProxySettings) proxyHeaders}
      ${concatStringsSep "" (mapAttrsToList (n: v: "fastcgi_param ${n} \"${v}\";\n") l.fastcgiParams)}
      ${auth l}
      ${l.extraConfig}
    }
  '';
  listensOf = host:
    let
      plain = lib.optional (!host.onlySSL) { port = cfg.defaultHTTPListenPort; ssl = false; };
      secure = lib.optional (host.onlySSL || host.addSSL || host.forceSSL) { port = cfg.defaultSSLListenPort; ssl = true; };
      addresses = if host.listenAddresses != [ ] then host.listenAddresses else [ "0.0.0.0" "[::0]" ];
    in
    if host.listen != [ ] then host.listen
    else lib.concatMap (a: map (p: p // { addr = a; extraParameters = [ ]; }) (plain ++ secure)) addresses;
  listenText = host: l:
    "listen ${optionalString (l.addr != "") "${l.addr}${optionalString (l.port != null) ":"}"}${optionalString (l.port != null) (toString l.port)}"
    + optionalString host.default " default_server" + optionalString l.ssl " ssl"
    + concatMapStrings (p: " ${p}") l.extraParameters + ";\n";
  names = name: host: lib.concatStringsSep " " ([ (if host.serverName != null then host.serverName else name) ] ++ host.serverAliases);
  hostText = name: host: ''
    server {
      ${concatMapStrings (listenText host) (listensOf host)}
      server_name ${names name host};
      ${line "root" host.root}${line "ssl_certificate" host.sslCertificate}${line "ssl_certificate_key" host.sslCertificateKey}
      ${auth host}
      ${optionalString host.forceSSL ''if ($scheme != "https") { return 301 https://$host$request_uri; }''}
      ${optionalString (host.globalRedirect != null) "location / { return ${toString host.redirectCode} $scheme://${host.globalRedirect}$request_uri; }"}
      ${concatMapStrings (path: locationText path host.locations.${path})
        (lib.sortOn (path: host.locations.${path}.priority) (lib.attrNames host.locations))}
      ${host.extraConfig}
    }
  '';

  # What is worth writing, without the blank lines that options leave.
  tidy = text: concatStringsSep "\n" (builtins.filter (l: builtins.match "[ \t]*" l == null) (lib.splitString "\n" text)) + "\n";

  configFile = pkgs.writeText "nginx.conf" (if cfg.config != "" then cfg.config else tidy ''
    pid /run/nginx/nginx.pid;
    error_log ${cfg.logError};
    daemon off;
    ${cfg.appendConfig}
    events {
      ${cfg.eventsConfig}
    }
    http {
      include ${pkgs.standin.tree}/etc/nginx/mime.types;
      default_type application/octet-stream;
      access_log syslog:server=unix:/dev/log,nohostname;
      client_max_body_size ${cfg.clientMaxBodySize};
      server_tokens ${setting cfg.serverTokens};
      ${optionalString cfg.recommendedOptimisation "sendfile on;\ntcp_nopush on;\ntcp_nodelay on;\nkeepalive_timeout 65;\ntypes_hash_max_size 4096;\n"}
      ${optionalString cfg.recommendedGzipSettings "gzip on;\ngzip_proxied any;\ngzip_comp_level 5;\ngzip_types application/json application/javascript text/css text/plain text/xml;\ngzip_vary on;\n"}
      ${optionalString cfg.recommendedTlsSettings "ssl_session_timeout 1d;\nssl_session_cache shared:SSL:10m;\nssl_session_tickets off;\nssl_prefer_server_ciphers off;\n"}
      client_body_temp_path /var/cache/nginx/client_body;
      proxy_temp_path /var/cache/nginx/proxy;
      fastcgi_temp_path /var/cache/nginx/fastcgi;
      uwsgi_temp_path /var/cache/nginx/uwsgi;
      scgi_temp_path /var/cache/nginx/scgi;
      ${cfg.commonHttpConfig}
      ${concatStringsSep "\n" (mapAttrsToList (name: u: ''
        upstream ${name} {
          ${concatStringsSep "" (mapAttrsToList (server: s: "server ${server}${optionalString (s.backup or false) " backup"}${optionalString (s ? weight) " weight=${toString s.weight}"};\n") u.servers)}
          ${u.extraConfig}
        }
      '') cfg.upstreams)}
      ${concatStringsSep "" (mapAttrsToList hostText cfg.virtualHosts)}
      ${optionalString cfg.statusPage ''
        server {
          listen 127.0.0.1:80;
          server_name localhost;
          location /nginx_status { stub_status on; access_log off; allow 127.0.0.1; deny all; }
        }
      ''}
      ${cfg.httpConfig}
      ${cfg.appendHttpConfig}
    }
    ${optionalString (cfg.streamConfig != "") "stream {\n${cfg.streamConfig}\n}"}
  '');
  text = what: mkOption { type = types.lines; default = ""; description = what; };
  switch = what: mkOption { type = types.bool; default = false; description = what; };
in
{
  options.services.nginx = {
    enable = lib.mkEnableOption "the web server nginx";
    package = mkOption { type = types.package; default = pkgs.nginx; description = "The nginx package."; };
    user = mkOption { type = types.str; default = "nginx"; description = "The server's user."; };
    group = mkOption { type = types.str; default = "nginx"; description = "The server's group."; };
    virtualHosts = mkOption {
      type = types.attrsOf virtualHost;
      default = { localhost = { }; };
      description = "Sites.";
    };
    upstreams = mkOption {
      type = types.attrsOf (types.submodule {
        options = {
          servers = mkOption {
            type = types.attrsOf (types.submodule {
              freeformType = types.attrsOf types.anything;
              options.backup = switch "Whether it serves only when the others do not.";
            });
            default = { };
            description = "Servers to share requests among.";
          };
          extraConfig = text "Lines of the upstream.";
        };
      });
      default = { };
      description = "Groups of servers.";
    };
    defaultHTTPListenPort = mkOption {
      type = types.port;
      default = 80;
      description = "Port of sites that name none.";
    };
    defaultSSLListenPort = mkOption {
      type = types.port;
      default = 443;
      description = "Port of encrypted sites that name none.";
    };
    clientMaxBodySize = mkOption { type = types.str; default = "10m"; description = "Largest request."; };
    serverTokens = switch "Whether the server tells its version.";
    statusPage = switch "Whether there is a status page for the node itself.";
    recommendedOptimisation = switch "The usual settings for speed.";
    recommendedGzipSettings = switch "The usual settings for compression.";
    recommendedProxySettings = switch "The usual headers for servers behind this one.";
    recommendedTlsSettings = switch "The usual settings for encryption.";
    logError = mkOption { type = types.str; default = "stderr"; description = "Where errors are logged."; };
    config = text "The whole configuration, instead of all else.";
    appendConfig = text "Lines at the top.";
    eventsConfig = text "Lines of events.";
    httpConfig = text "Lines of http.";
    commonHttpConfig = text "Lines of http, before sites.";
    appendHttpConfig = text "Lines of http, after sites.";
    streamConfig = text "Lines of stream.";
    preStart = text "Run before the server starts.";
    enableReload = switch "Accepted: a node with another system is another node.";
    additionalModules = mkOption {
      type = types.listOf types.raw;
      default = [ ];
      honoured = false;
      description = "Not in the stand-in.";
    };
    recommendedBrotliSettings = lib.options.mkIgnoredOption;
    recommendedZstdSettings = lib.options.mkIgnoredOption;
    sslProtocols = lib.options.mkIgnoredOption;
    sslCiphers = lib.options.mkIgnoredOption;
    sslDhparam = lib.options.mkIgnoredOption;
    resolver = lib.options.mkIgnoredOption;
    mapHashMaxSize = lib.options.mkIgnoredOption;
    proxyTimeout = lib.options.mkIgnoredOption;
    proxyResolveWhileRunning = lib.options.mkIgnoredOption;
    validateConfigFile = lib.options.mkIgnoredOption;
  };

  config = mkIf cfg.enable {
    users.users = lib.optionalAttrs (cfg.user == "nginx") { nginx = { isSystemUser = true; uid = 60; group = cfg.group; }; };
    users.groups = lib.optionalAttrs (cfg.group == "nginx") { nginx.gid = 60; };
    systemd.services.nginx = {
      description = "Nginx Web Server";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      preStart = ''
        ${cfg.preStart}
        ${cfg.package}/bin/nginx -c ${configFile} -t -q
      '';
      serviceConfig = {
        ExecStart = "${cfg.package}/bin/nginx -c ${configFile}";
        ExecReload = [ "${cfg.package}/bin/nginx -c ${configFile} -t -q" "/usr/bin/kill -HUP $MAINPID" ];
        Restart = "always";
        RestartSec = "10s";
        User = cfg.user;
        Group = cfg.group;
        RuntimeDirectory = "nginx";
        CacheDirectory = "nginx";
        LogsDirectory = "nginx";
        AmbientCapabilities = [ "CAP_NET_BIND_SERVICE" ];
      };
    };
    assertions = lib.mapAttrsToList
      (name: host: {
        assertion = !host.enableACME && host.useACMEHost == null;
        message = "services.nginx.virtualHosts.${name} asks for a certificate by ACME, which nodes of a composition cannot get; give sslCertificate and sslCertificateKey.";
      })
      cfg.virtualHosts;
  };
}
