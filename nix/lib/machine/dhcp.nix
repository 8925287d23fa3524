# What the first stage's DHCP client runs with an answer: the first interface
# brings the route and the resolver, too.
''
  #!/bin/busybox sh
  [ "$1" = bound ] || [ "$1" = renew ] || exit 0
  ip addr flush dev "$interface"
  ip addr add "$ip/''${mask:-24}" dev "$interface"
  [ "$interface" = eth0 ] || exit 0
  [ -z "$router" ] || ip route replace default via "''${router%% *}"
  mkdir -p /new/etc
  {
    [ -z "$search" ] || echo "search $search"
    for server in $dns; do echo "nameserver $server"; done
  } >/new/etc/resolv.conf
''
