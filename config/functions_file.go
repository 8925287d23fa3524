package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// inside returns the path of a file that an expression names.
func inside(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// readFile reads a file that an expression names.
func readFile(dir, path string) ([]byte, error) {
	full := inside(dir, path)
	info, err := os.Stat(full)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("there is no file %q; paths begin at the folder of the configuration, and a file that an apply makes cannot be read when planning", path)
	case err != nil:
		return nil, errors.New(cause(path, err))
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%q is a %s", path, kindOf(info.Mode()))
	case info.Size() > maxFileSize:
		return nil, fmt.Errorf("%q has %d MiB, and may have %d", path, info.Size()>>20, maxFileSize>>20)
	}
	content, err := os.ReadFile(full)
	if err != nil {
		return nil, errors.New(cause(path, err))
	}
	return content, nil
}

// fileFunc makes a function of a file's content.
func fileFunc(dir string, of func(content []byte) (string, error)) function.Function {
	return textFunc("path", func(path string) (string, error) {
		content, err := readFile(dir, path)
		if err != nil {
			return "", err
		}
		s, err := of(content)
		if err != nil {
			return "", fmt.Errorf("%s %w", path, err)
		}
		return s, nil
	})
}

func fileText(content []byte) (string, error) {
	if !utf8.Valid(content) {
		return "", errors.New("is no UTF-8 text; filebase64() reads any bytes")
	}
	return string(content), nil
}

func fileBase64(content []byte) (string, error) {
	return base64.StdEncoding.EncodeToString(content), nil
}

func ofBytes(of func(string) (string, error)) func([]byte) (string, error) {
	return func(content []byte) (string, error) { return of(string(content)) }
}

// fileExistsFunc reports whether a file is there.
func fileExistsFunc(dir string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			info, err := os.Stat(inside(dir, args[0].AsString()))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return cty.UnknownVal(cty.Bool), errors.New(cause(args[0].AsString(), err))
			}
			return cty.BoolVal(err == nil && info.Mode().IsRegular()), nil
		},
	})
}

// fileSetFunc lists the files of a folder that match a pattern.
func fileSetFunc(dir string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "folder", Type: cty.String}, {Name: "pattern", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Set(cty.String)),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			root := inside(dir, args[0].AsString())
			found, err := filepath.Glob(filepath.Join(root, args[1].AsString()))
			if err != nil {
				return cty.UnknownVal(cty.Set(cty.String)), function.NewArgErrorf(1, "%v", err)
			}
			slices.Sort(found)
			var files []cty.Value
			for _, path := range found {
				if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
					continue
				}
				relative, err := filepath.Rel(root, path)
				if err != nil {
					return cty.UnknownVal(cty.Set(cty.String)), err
				}
				files = append(files, cty.StringVal(filepath.ToSlash(relative)))
			}
			if len(files) == 0 {
				return cty.SetValEmpty(cty.String), nil
			}
			return cty.SetVal(files), nil
		},
	})
}
