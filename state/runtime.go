package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// lingerFolder holds a file for each user whose processes may outlive his
// login, as systemd-logind keeps it.
const lingerFolder = "/var/lib/systemd/linger"

// RuntimeParent returns the folder in which nxc keeps sockets: short, because a
// socket's path may have 107 bytes only. xdg is $XDG_RUNTIME_DIR and temporary
// $TMPDIR, or "".
//
// It lies in the user's runtime folder only when the user lingers: otherwise
// that folder goes at logout, under machines that go on running.
func RuntimeParent(xdg, temporary string) string {
	if xdg != "" && exists(filepath.Join(lingerFolder, userName())) {
		return filepath.Join(xdg, "nxc")
	}
	if temporary == "" {
		temporary = "/tmp"
	}
	return filepath.Join(temporary, "nxc-"+strconv.Itoa(os.Getuid()))
}

// MakeRuntimeFolder makes a folder for sockets in that parent. Both are refused
// when they are symbolic links, another user's, or open to others.
func MakeRuntimeFolder(folder string) error {
	for _, one := range []string{filepath.Dir(folder), folder} {
		if err := privateFolder(one); err != nil {
			if errors.Is(err, syscall.ENOSPC) {
				err = fmt.Errorf("%w; make room, or set TMPDIR to a folder that has some", err)
			}
			return fmt.Errorf("cannot make a folder for sockets: %w", err)
		}
	}
	return nil
}

// privateFolder makes a folder that only this user can enter, or makes sure
// that the one there is such a folder. Another command removes one that is
// empty, also between our two looks.
func privateFolder(path string) error {
	var info fs.FileInfo
	for tries := 0; info == nil; tries++ {
		err := os.Mkdir(path, 0o700)
		if err == nil {
			return nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		info, err = os.Lstat(path)
		if err != nil && (!errors.Is(err, fs.ErrNotExist) || tries >= 100) {
			return err
		}
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder; remove it", path)
	case ok && int(st.Uid) != os.Getuid():
		return fmt.Errorf("%s belongs to another user; set TMPDIR to a folder of your own", path)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s is open to other users; type: chmod 700 %s", path, path)
	}
	return nil
}
