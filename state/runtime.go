package state

import (
	"crypto/sha256"
	"encoding/hex"
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

// RuntimeFolder makes and returns the folder for sockets of what runs for this
// state. Its path is short, because a socket's may have 107 bytes only.
//
// It lies in the user's runtime folder only when the user lingers: otherwise
// that folder goes at logout, under machines that go on running. Else it lies
// in a folder of the user's own under the temporary one, which is refused when
// it is a symbolic link, another user's, or open to others.
func (s *Store) RuntimeFolder(lineage string) (string, error) {
	sum := sha256.Sum256([]byte(lineage + "\n" + s.workspace))
	short := hex.EncodeToString(sum[:5])
	parent := filepath.Join(os.TempDir(), "nxc-"+strconv.Itoa(os.Getuid()))
	if dir := s.options.RuntimeDir; dir != "" && exists(filepath.Join(lingerFolder, userName())) {
		parent = filepath.Join(dir, "nxc")
	}
	for _, folder := range []string{parent, filepath.Join(parent, short)} {
		if err := privateFolder(folder); err != nil {
			return "", fmt.Errorf("cannot make a folder for sockets: %w", err)
		}
	}
	return filepath.Join(parent, short), nil
}

// privateFolder makes a folder that only this user can enter, or makes sure
// that the one there is such a folder.
func privateFolder(path string) error {
	err := os.Mkdir(path, 0o700)
	if err == nil {
		return nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
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
