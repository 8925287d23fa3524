package config

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// stringFunc makes a function of one string.
func stringFunc(apply func(string) (string, error)) function.Function {
	return textFunc("string", apply)
}

// textFunc makes a function of one string that is called parameter.
func textFunc(parameter string, apply func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: parameter, Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			s, err := apply(args[0].AsString())
			if err != nil {
				return cty.UnknownVal(cty.String), function.NewArgError(0, err)
			}
			return cty.StringVal(s), nil
		},
	})
}

// stringTest makes a function of a string and a part of it.
func stringTest(holds func(s, part string) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "string", Type: cty.String}, {Name: "part", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(holds(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

func hasPrefix(s, part string) bool { return strings.HasPrefix(s, part) }
func hasSuffix(s, part string) bool { return strings.HasSuffix(s, part) }
func contains(s, part string) bool  { return strings.Contains(s, part) }

// replaceFunc replaces a text, or a regular expression between slashes.
func replaceFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{
			{Name: "string", Type: cty.String}, {Name: "part", Type: cty.String}, {Name: "replacement", Type: cty.String},
		},
		Type: function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			part := args[1].AsString()
			if len(part) > 1 && part[0] == '/' && part[len(part)-1] == '/' {
				return stdlib.RegexReplace(args[0], cty.StringVal(part[1:len(part)-1]), args[2])
			}
			return stdlib.Replace(args[0], args[1], args[2])
		},
	})
}

func base64Encode(s string) (string, error) {
	return base64.StdEncoding.EncodeToString([]byte(s)), nil
}

// base64DecodeFunc decodes text; bytes that are none have no place in a string.
func base64DecodeFunc() function.Function {
	return stringFunc(func(s string) (string, error) {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return "", fmt.Errorf("not base64: %w", err)
		}
		if !utf8.Valid(b) {
			return "", errors.New("the decoded bytes are no UTF-8 text")
		}
		return string(b), nil
	})
}

// base64Gzip compresses; the result holds no time, so it is always the same.
func base64Gzip(s string) (string, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(s)); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

func urlEncode(s string) (string, error) { return url.QueryEscape(s), nil }
func baseName(s string) (string, error)  { return path.Base(s), nil }
func dirName(s string) (string, error)   { return path.Dir(s), nil }

func md5Digest(b []byte) []byte    { d := md5.Sum(b); return d[:] }
func sha1Digest(b []byte) []byte   { d := sha1.Sum(b); return d[:] }
func sha256Digest(b []byte) []byte { d := sha256.Sum256(b); return d[:] }
func sha512Digest(b []byte) []byte { d := sha512.Sum512(b); return d[:] }

func hexDigest(digest func([]byte) []byte) func(string) (string, error) {
	return func(s string) (string, error) { return hex.EncodeToString(digest([]byte(s))), nil }
}

func base64Digest(digest func([]byte) []byte) func(string) (string, error) {
	return func(s string) (string, error) { return base64.StdEncoding.EncodeToString(digest([]byte(s))), nil }
}

// refused makes a function that says why it is not there.
func refused(why string) function.Function {
	return function.New(&function.Spec{
		VarParam: &function.Parameter{Name: "any", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowMarked: true, AllowDynamicType: true},
		Type:     func([]cty.Value) (cty.Type, error) { return cty.NilType, errors.New("nxc does not have it: " + why) },
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) {
			return cty.NilVal, errors.New("nxc does not have it: " + why)
		},
	})
}
