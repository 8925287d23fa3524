package standin

// layout is the version of the tree's and the index's shape. A change here
// makes every record of an earlier layout worthless.
const layout = 3

// roots are the packages that a node may use; what they depend on comes with
// them. Names that exist in Debian 12 and later and in Ubuntu 22.04 and later.
var roots = []string{
	// The system itself.
	"systemd", "systemd-sysv", "dbus", "libpam-systemd", "libnss-myhostname",
	"kmod", "libc-bin", "login", "passwd", "mount", "util-linux", "tzdata",
	"netbase", "ca-certificates", "procps", "hostname",

	// What a person expects to find in a shell.
	"bash", "coreutils", "findutils", "grep", "sed", "gawk", "tar", "gzip",
	"bzip2", "xz-utils", "zstd", "cpio", "diffutils", "patch", "less",
	"bsdutils", "debianutils", "psmisc", "time", "jq", "rsync", "ncurses-bin",
	"ncurses-base", "nano", "vim-tiny", "htop", "tmux", "tree", "lsof", "bc",

	// The network, and how to measure it.
	"iproute2", "iputils-ping", "netcat-openbsd", "curl", "wget", "socat",
	"openssh-client", "openssh-server", "tcpdump", "iperf3", "strace",
	"ethtool",

	// What compositions serve and script.
	"nginx-light", "redis-server", "redis-tools", "sqlite3", "python3",
	"python3-yaml", "openssl",

	// What builders run.
	"busybox-static",
}

// left are packages that only maintainer scripts need, which never run here.
// They would be more than a third of the tree.
var left = map[string]bool{
	"adduser": true, "cdebconf": true, "debconf": true, "debconf-i18n": true,
	"dpkg": true, "init-system-helpers": true, "lsb-base": true,
	"perl": true, "perl-base": true, "runit-helper": true,
	"sensible-utils": true, "sysvinit-utils": true, "ucf": true,
	"usrmerge": true, "gcc-12-base": true, "gcc-13-base": true,
	"gcc-14-base": true,
}

// leftPatterns are shell patterns of more of these, whose names carry a version.
var leftPatterns = []string{
	"libperl5.*", "perl-modules-*", "lib*-perl", "libgdbm*",
}

// alternatives are names that Debian's update-alternatives would make.
var alternatives = []struct{ name, target string }{
	{"awk", "gawk"},
	{"nc", "nc.openbsd"},
	{"netcat", "nc.openbsd"},
	{"sh", "bash"},
	{"vi", "vim.tiny"},
	{"vim", "vim.tiny"},
	{"which", "which.debianutils"},
}

// unitMakers are the packages whose systemd units a node keeps. Services come
// from the composition, and a unit of the same name would be mixed with it.
var unitMakers = map[string]bool{
	"systemd": true, "systemd-sysv": true, "dbus": true, "dbus-system-bus-common": true,
	"dbus-user-session": true, "libpam-systemd": true, "udev": true,
}

// dropped are folders of a package that a node has no use for: documentation,
// translations, and what belongs to the distribution's own tools.
var dropped = []string{
	"usr/share/bash-completion", "usr/share/bug", "usr/share/debconf",
	"usr/share/doc", "usr/share/doc-base", "usr/share/doc-rst", "usr/share/info",
	"usr/share/lintian", "usr/share/locale", "usr/share/man", "usr/share/menu",
	"usr/share/perl", "usr/share/perl5", "usr/share/pixmaps",
	"usr/share/python3/runtime.d", "usr/share/zsh", "usr/share/lto-disabled-list",
	"usr/share/apport", "usr/share/initramfs-tools", "usr/share/gcc",
	"usr/lib/valgrind", "usr/lib/init", "usr/lib/modprobe.d", "usr/lib/x86_64-linux-gnu/gconv",
	"usr/lib/aarch64-linux-gnu/gconv",
	"etc/apparmor.d", "etc/cron.daily", "etc/cron.d", "etc/init.d", "etc/init",
	"etc/logrotate.d", "etc/rc2.d", "etc/rc3.d", "etc/rc5.d", "etc/rcS.d",
	"etc/ufw", "etc/update-motd.d", "etc/default", "etc/skel", "etc/kernel",
	"etc/X11", "etc/dpkg", "etc/runit", "etc/sv",
	"usr/games", "usr/include", "usr/src", "usr/lib/kernel", "usr/lib/modules-load.d",
	"usr/lib/sysusers.d", "usr/share/gdb", "usr/share/icons", "usr/share/applications",
	"usr/share/initramfs-tools", "usr/share/perl", "usr/share/polkit-1", "boot",
	"run", "tmp", "var", "dev", "proc", "sys", "home", "root", "mnt", "media",
}
