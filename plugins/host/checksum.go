package host

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// Checksum returns the SHA-256 of a program, as "sha256:…". With a cache
// folder, a file that has not changed since (by name, size, times and inode)
// is not read again.
func Checksum(path, cache string) (string, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	memo := memoName(path, info, cache)
	if memo != "" {
		if sum, err := os.ReadFile(memo); err == nil && len(sum) == len("sha256:")+2*sha256.Size {
			return string(sum), nil
		}
	}
	sum, err := hashFile(path)
	if err != nil {
		return "", err
	}
	if memo != "" {
		writeCache(memo, []byte(sum)) // without it we hash again
	}
	return sum, nil
}

func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

// memoName names the cache's file for a program as it now is.
func memoName(path string, info os.FileInfo, cache string) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || cache == "" {
		return ""
	}
	key := fmt.Sprintf("%s\x00%d\x00%d.%d\x00%d.%d\x00%d\x00%d", path, st.Size,
		st.Mtim.Sec, st.Mtim.Nsec, st.Ctim.Sec, st.Ctim.Nsec, st.Dev, st.Ino)
	sum := sha256.Sum256([]byte(key))
	return filepath.Join(cache, "checksum-"+hex.EncodeToString(sum[:16]))
}

// writeCache writes a file that others may read at the same time, and that
// may be lost.
func writeCache(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(content)
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}
