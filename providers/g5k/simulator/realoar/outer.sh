# Runs as root in new namespaces: makes a file system of its own over the folder
# $1, which stays as it is, and starts the script $2 in it. Everything written is
# in memory, and goes with the namespaces.
set -eu
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$1/mnt"
cd "$1/mnt"
mkdir upper work root
mount -t overlay overlay -o "lowerdir=$1,upperdir=$PWD/upper,workdir=$PWD/work" root
cd root
mount -t proc proc proc
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
	: >"dev/$device"
	mount --bind "/dev/$device" "dev/$device"
done
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
for dir in dev/shm run tmp; do mount -t tmpfs -o mode=1777 tmpfs "$dir"; done
mkdir run/old
pivot_root . run/old
cd /
umount -l run/old
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C HOME=/root /bin/bash -c "$2" inside
