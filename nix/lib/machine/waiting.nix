# The room in which a machine waits that was given an image, and does not know
# yet who it is: its first stage serves ssh from the image, with a host key that
# the machine makes for itself and keys that were put into the image
# (/root/.ssh/authorized_keys), until its context is brought, and a file
# /nxc-waiting/go. All else of the room is gone then.
{ pkgs }:
let
  # Programs of the distribution look for their libraries where it has them.
  standin = pkgs ? standin;
  sshd = if standin then "/usr/sbin/sshd" else "${pkgs.openssh}/bin/sshd";
  keygen = if standin then "/usr/bin/ssh-keygen" else "${pkgs.openssh}/bin/ssh-keygen";
in
builtins.unsafeDiscardStringContext ''
  echo "nxc: phase waiting"
  hostname waiting
  room=/new/nxc-waiting
  rm -rf $room
  mkdir -p $room/bin /new/proc /new/dev /new/run/sshd /new/etc/ssh /new/root /new/tmp /new/var/empty
  chmod 755 /new /new/var /new/var/empty
  cp /bin/busybox $room/bin/busybox
  chroot /new /nxc-waiting/bin/busybox --install -s /nxc-waiting/bin
  mount -o bind /proc /new/proc
  mount -o bind /dev /new/dev
  ${if standin then ''
    [ -e /new/usr ] || ln -s ${pkgs.standin.tree}/usr /new/usr
    for name in bin sbin lib lib64; do [ -e /new/$name ] || ln -s usr/$name /new/$name; done
  '' else ""}
  printf 'root:*:0:0::/root:/nxc-waiting/bin/sh\nsshd:*:74:74::/var/empty:/bin/false\n' >/new/etc/passwd
  printf 'root:x:0:\nsshd:x:74:\n' >/new/etc/group
  printf '%s\n' "HostKey /etc/ssh/ssh_host_ed25519_key" "UsePAM no" "StrictModes no" "PidFile none" "UseDNS no" \
    "PermitRootLogin prohibit-password" "PasswordAuthentication no" "SetEnv PATH=/nxc-waiting/bin" \
    "AuthorizedKeysFile /root/.ssh/authorized_keys /etc/nxc/authorized_keys" >$room/sshd_config
  [ -s /new/etc/ssh/ssh_host_ed25519_key ] || chroot /new ${keygen} -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key ||
    fail "cannot make a host key"
  chroot /new ${sshd} -D -e -f /nxc-waiting/sshd_config &
  until [ -e $room/go ]; do
    kill -0 $! 2>/dev/null || fail "the ssh server of the waiting room ended"
    sleep 0.3
  done
  sleep 1
  kill $!
  wait
  # Its own key has served: the context brings the one that the deployment knows.
  [ ! -s /new/etc/nxc/private/ssh_host_ed25519_key ] || rm -f /new/etc/ssh/ssh_host_ed25519_key*
  for pid in $(ls /proc | grep '^[0-9]'); do
    [ "$(readlink /proc/$pid/root)" != /new ] || kill -9 "$pid"
  done
  umount /new/dev
  umount /new/proc
  rm -rf $room /new/etc/passwd /new/etc/group
''
