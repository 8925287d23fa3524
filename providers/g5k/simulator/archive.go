package simulator

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"strconv"
	"strings"
)

// unpack puts a compressed tar archive into a folder of a root. Links that
// lead out of the root, devices and owners are left out.
func (s *Simulator) unpack(ctx context.Context, at, compression string, root *os.Root, folder string) error {
	body, err := s.open(ctx, at)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	plain, done, err := decompress(ctx, compression, body)
	if err != nil {
		return err
	}
	err = untar(plain, root, folder)
	return errors.Join(err, done())
}

// magic is how files of a compression begin.
var magic = map[string]string{"gzip": "\x1f\x8b", "bzip2": "BZh", "xz": "\xfd7zXZ", "zstd": "\x28\xb5\x2f\xfd"}

// decompress opens a compressed stream. What the standard library does not
// know, the program of that name does.
func decompress(ctx context.Context, compression string, r io.Reader) (io.Reader, func() error, error) {
	none := func() error { return nil }
	buffered := bufio.NewReader(r)
	begin, _ := buffered.Peek(6)
	if !strings.HasPrefix(string(begin), magic[compression]) {
		return nil, none, fmt.Errorf("the file is not compressed with %s", compression)
	}
	switch compression {
	case "gzip":
		z, err := gzip.NewReader(buffered)
		return z, none, err
	case "bzip2":
		return bzip2.NewReader(buffered), none, nil
	}
	cmd := exec.CommandContext(ctx, compression, "-d", "-c")
	cmd.Stdin = buffered
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, none, fmt.Errorf("%s is needed to unpack it: %w", compression, err)
	}
	return out, func() error {
		_, _ = io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("%s: %w: %s", compression, err, said.String())
		}
		return nil
	}, nil
}

func untar(r io.Reader, root *os.Root, folder string) error {
	for t := tar.NewReader(r); ; {
		e, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		name := inside(folder, e.Name)
		perm := fs.FileMode(e.Mode).Perm() //nolint:gosec // the bits of permissions
		switch e.Typeflag {
		case tar.TypeDir:
			err = root.MkdirAll(name, perm|0o700)
		case tar.TypeReg:
			err = writeInto(root, name, perm, t)
		case tar.TypeSymlink:
			err = linkInto(root, name, e.Linkname)
		case tar.TypeLink:
			unlinkFirst(root, name)
			err = root.Link(inside(folder, e.Linkname), name)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
	}
}

func writeInto(root *os.Root, name string, perm fs.FileMode, r io.Reader) error {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	unlinkFirst(root, name)
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

func linkInto(root *os.Root, name, target string) error {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	unlinkFirst(root, name)
	return root.Symlink(target, name)
}

// unpackInitrd puts an initial file system into a root: one or more archives
// of cpio's newc format, each plain or compressed with gzip. What is
// compressed otherwise ends it: only a kernel can read that here.
func unpackInitrd(content []byte, root *os.Root) error {
	for {
		content = bytes.TrimLeft(content, "\x00")
		switch {
		case len(content) == 0:
			return nil
		case bytes.HasPrefix(content, []byte("070701")):
			rest, err := unpackCpio(content, root)
			if err != nil {
				return err
			}
			content = rest
		case bytes.HasPrefix(content, []byte(magic["gzip"])):
			r := bytes.NewReader(content)
			z, err := gzip.NewReader(r)
			if err != nil {
				return err
			}
			z.Multistream(false)
			inner, err := io.ReadAll(z)
			if err != nil {
				return err
			}
			if err := unpackInitrd(inner, root); err != nil {
				return err
			}
			content = content[len(content)-r.Len():]
		default:
			return nil
		}
	}
}

// unpackCpio unpacks one archive, and returns what follows it.
func unpackCpio(content []byte, root *os.Root) ([]byte, error) {
	const header = 110
	field := func(i int) int {
		n, _ := strconv.ParseUint(string(content[6+8*i:14+8*i]), 16, 32)
		return int(n) //nolint:gosec // of 32 bits
	}
	for at := func(n int) int { return (n + 3) &^ 3 }; len(content) >= header; {
		mode, size, nameSize := field(1), field(6), field(11)
		data := at(header + nameSize)
		if !bytes.HasPrefix(content, []byte("070701")) || nameSize == 0 || data+size > len(content) {
			return nil, errors.New("damaged cpio archive")
		}
		name := string(content[header : header+nameSize-1])
		body := content[data : data+size]
		content = content[min(at(data+size), len(content)):]
		if name == "TRAILER!!!" {
			return content, nil
		}
		if err := placeCpio(root, inside(".", name), mode, body); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil, errors.New("truncated cpio archive")
}

func placeCpio(root *os.Root, name string, mode int, body []byte) error {
	switch perm := fs.FileMode(mode).Perm(); mode & 0o170000 { //nolint:gosec // of 32 bits
	case 0o040000:
		return root.MkdirAll(name, perm|0o700)
	case 0o100000:
		return writeInto(root, name, perm, bytes.NewReader(body))
	case 0o120000:
		return linkInto(root, name, string(body))
	}
	return nil // devices
}
