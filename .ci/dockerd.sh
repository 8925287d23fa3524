#!/bin/sh
# Starts a Docker engine as root where no service manager does it, in a
# container or a small machine, and returns once it answers or has failed.
# The engine outlives this script. Its log is /var/log/dockerd.log.
set -eu

log=/var/log/dockerd.log
deadline=60

alive() { # alive PIDFILE NAME: is the process that the file names really it?
	[ -r "$1" ] && [ "$(cat "/proc/$(cat "$1")/comm" 2>/dev/null)" = "$2" ]
}

running() { # running NAME: is there any process called so?
	for comm in /proc/[0-9]*/comm; do
		[ "$(cat "$comm" 2>/dev/null)" != "$1" ] || return 0
	done
	return 1
}

# A machine that was copied or switched off keeps pid files and sockets whose
# numbers now belong to others; the engine would believe them.
remove_stale() {
	alive /var/run/docker.pid dockerd || rm -f /var/run/docker.pid
	if ! running containerd; then
		rm -f /var/run/docker/containerd/containerd.pid /run/containerd/containerd.sock
	fi
}

# Where nothing is mounted at all, mount one hierarchy; where the kernel keeps
# its controllers for version 1, mount those beside it. What is mounted stays.
mount_cgroups() {
	if ! grep -q ' - cgroup2\? ' /proc/self/mountinfo; then
		mount -t cgroup2 none /sys/fs/cgroup 2>/dev/null || true
		if grep -qs 'pids\|memory' /sys/fs/cgroup/cgroup.controllers; then
			return 0
		fi
		umount /sys/fs/cgroup 2>/dev/null || true
		mount -t tmpfs -o mode=0755 none /sys/fs/cgroup
		for controller in $(awk '!/^#/ && $4 == 1 { print $1 }' /proc/cgroups); do
			mkdir -p "/sys/fs/cgroup/$controller"
			mount -t cgroup -o "$controller" none "/sys/fs/cgroup/$controller" || rmdir "/sys/fs/cgroup/$controller"
		done
	fi
	# Recent systemd in a node wants version 2, if only beside version 1.
	if ! grep -q ' - cgroup2 ' /proc/self/mountinfo; then
		mkdir -p /sys/fs/cgroup/unified
		mount -t cgroup2 none /sys/fs/cgroup/unified || rmdir /sys/fs/cgroup/unified
	fi
}

# Some kernels offer the engine only the older of iptables' two back ends. A
# folder in front of this engine's PATH chooses it, and leaves the host alone.
choose_iptables() {
	if iptables -t nat -L -n >/dev/null 2>&1 || ! iptables-legacy -t nat -L -n >/dev/null 2>&1; then
		return 0
	fi
	mkdir -p /run/nxc-dockerd
	for name in iptables ip6tables iptables-save iptables-restore ip6tables-save ip6tables-restore; do
		legacy=$(echo "$name" | sed 's/tables/tables-legacy/')
		target=$(command -v "$legacy") && ln -sf "$target" "/run/nxc-dockerd/$name"
	done
	PATH=/run/nxc-dockerd:$PATH
}

PATH=$PATH:/usr/sbin:/sbin
export PATH
remove_stale
mount_cgroups
choose_iptables
if ! alive /var/run/docker.pid dockerd; then
	# shellcheck disable=SC3045 # dash and bash both have it
	ulimit -n 1048576 2>/dev/null || true
	setsid dockerd >>"$log" 2>&1 </dev/null &
fi

waited=0
until docker version >/dev/null 2>&1; do
	if [ "$waited" -ge "$deadline" ] || { [ "$waited" -gt 0 ] && ! running dockerd; }; then
		tail -n 15 "$log" >&2
		exit 1
	fi
	sleep 1
	waited=$((waited + 1))
done
