# How the first stage gets addresses.
{ physical }:
if physical then ''
  # Machines of metal have more interfaces than cables, and switches take a
  # while until they forward anything.
  cables() {
    for device in /sys/class/net/*; do
      [ ! -e "$device/device" ] || [ "$(cat "$device/carrier" 2>/dev/null)" != 1 ] || echo "''${device##*/}"
    done
  }
  for device in /sys/class/net/*; do
    [ ! -e "$device/device" ] || ip link set "''${device##*/}" up
  done
  tries=0
  until [ -n "$(cables)" ] || [ $tries = 150 ]; do sleep 0.2; tries=$((tries + 1)); done
  [ $tries = 0 ] || sleep 1
  for name in $(cables); do
    udhcpc -i "$name" -n -q -f -t 30 -T 1 -s /dhcp >/dev/null &
  done
  wait
  [ -e /lease ] || fail "no DHCP server answers on any interface that has a cable ($(cables | tr '\n' ' '))"
  first=$(cat /lease/interface)
'' else ''
  first=eth0
  for device in /sys/class/net/eth*; do
    [ -e "$device" ] || continue
    name=''${device##*/}
    ip link set "$name" up
    # Where nobody answers, as between machines inside a build, the context says.
    if [ "$name" = eth0 ] && address=$(cat $context/etc/nxc/private/address 2>/dev/null); then
      ip addr add "$address" dev eth0
      continue
    fi
    udhcpc -i "$name" -n -q -f -t 20 -T 1 -s /dhcp -x hostname:"$node" >/dev/null || echo "nxc: no address for $name"
  done
''
