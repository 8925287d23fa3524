package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/ianaindex"
)

// pairFunc makes a function of two strings.
func pairFunc(first, second string, typ cty.Type, apply func(a, b string) (cty.Value, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: first, Type: cty.String}, {Name: second, Type: cty.String}},
		Type:   function.StaticReturnType(typ),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := apply(args[0].AsString(), args[1].AsString())
			if err != nil {
				return cty.UnknownVal(typ), err
			}
			return v, nil
		},
	})
}

// encodingFunc makes a function of a text and the name of a character encoding.
func encodingFunc(apply func(s string, e encoding.Encoding) (string, error)) function.Function {
	return pairFunc("string", "encoding", cty.String, func(s, name string) (cty.Value, error) {
		e, err := ianaindex.IANA.Encoding(name)
		if err != nil || e == nil {
			return cty.NilVal, function.NewArgErrorf(1, "there is no character encoding %q; IANA's names are known, such as UTF-16LE", name)
		}
		text, err := apply(s, e)
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		return cty.StringVal(text), nil
	})
}

func textEncode(s string, e encoding.Encoding) (string, error) {
	encoded, err := e.NewEncoder().String(s)
	if err != nil {
		return "", errors.New("it has characters that the encoding does not have")
	}
	return base64Encode(encoded)
}

func textDecode(s string, e encoding.Encoding) (string, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return "", fmt.Errorf("not base64: %w", err)
	}
	return e.NewDecoder().String(string(b))
}

// uuidFunc gives a name within a namespace its identifier, always the same.
func uuidFunc() function.Function {
	known := map[string]uuid.UUID{"dns": uuid.NameSpaceDNS, "url": uuid.NameSpaceURL, "oid": uuid.NameSpaceOID, "x500": uuid.NameSpaceX500}
	return pairFunc("namespace", "name", cty.String, func(namespace, name string) (cty.Value, error) {
		space, ok := known[namespace]
		if !ok {
			var err error
			if space, err = uuid.Parse(namespace); err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "a namespace is \"dns\", \"url\", \"oid\", \"x500\" or a UUID")
			}
		}
		return cty.StringVal(uuid.NewSHA1(space, []byte(name)).String()), nil
	})
}

// timeCompareFunc tells which of two times is earlier: -1, 0 or 1.
func timeCompareFunc() function.Function {
	return pairFunc("time", "other", cty.Number, func(a, b string) (cty.Value, error) {
		var times [2]time.Time
		for i, text := range []string{a, b} {
			t, err := time.Parse(time.RFC3339, text)
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(i, "it must be a time such as 2024-01-02T15:04:05Z")
			}
			times[i] = t
		}
		return cty.NumberIntVal(int64(times[0].Compare(times[1]))), nil
	})
}
