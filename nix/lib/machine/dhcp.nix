# What the first stage's DHCP client runs with an answer: the first interface
# brings the route and the resolver, too. Of a machine of metal that is the one
# that is answered first.
{ physical }:
''
  #!/bin/busybox sh
  [ "$1" = bound ] || [ "$1" = renew ] || exit 0
  ip addr flush dev "$interface"
  ip addr add "$ip/''${mask:-24}" dev "$interface"
  ${if physical then ''mkdir /lease 2>/dev/null || exit 0
  echo "$interface" >/lease/interface'' else ''[ "$interface" = eth0 ] || exit 0''}
  [ -z "$router" ] || ip route replace default via "''${router%% *}"
  mkdir -p /new/etc
  {
    [ -z "''${search:-$domain}" ] || echo "search ''${search:-$domain}"
    for server in $dns; do echo "nameserver $server"; done
  } >/new/etc/resolv.conf
''
