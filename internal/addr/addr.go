// Package addr names what nxc manages: deployments, and the instances of
// resources inside and outside them.
//
// An address has one spelling, an HCL traversal, and that spelling is the same
// in references, on the command line, in the state and in plans. The package
// only names; it does not know whether what it names exists.
package addr

import (
	"cmp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
)

// Deployment names one transposition of a composition: the composition's name
// and the label of one of its flavour blocks. The zero value names the top
// level: the resources that belong to no composition.
type Deployment struct {
	Composition string
	Flavour     string
}

// IsTop reports whether d names the top level.
func (d Deployment) IsTop() bool { return d == Deployment{} }

// String returns the deployment's name as a person writes it, such as
// "webserver::docker", and "" for the top level.
func (d Deployment) String() string {
	if d.IsTop() {
		return ""
	}
	return d.Composition + "::" + d.Flavour
}

// Compare orders deployments by composition, then flavour; the top level is first.
func (d Deployment) Compare(o Deployment) int {
	return cmp.Or(strings.Compare(d.Composition, o.Composition), strings.Compare(d.Flavour, o.Flavour))
}

type keyKind uint8

const (
	noKey keyKind = iota
	intKey
	stringKey
)

// Key tells instances of one block apart: nothing, a number (count) or a
// string (for_each, and every resource of a deployment). The zero value is no key.
type Key struct {
	kind keyKind
	n    int
	s    string
}

// NoKey is the key of a block that has neither count nor for_each.
var NoKey = Key{}

// IntKey returns the key of the instance with index n of a block with count.
func IntKey(n int) Key { return Key{kind: intKey, n: n} }

// StringKey returns the key of one instance of a block with for_each. Strings
// that look the same are the same key: s is normalised as HCL normalises it.
func StringKey(s string) Key {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			s = cty.NormalizeString(strings.ToValidUTF8(s, "\uFFFD"))
			break
		}
	}
	return Key{kind: stringKey, s: s}
}

// IsNone reports whether k is NoKey.
func (k Key) IsNone() bool { return k.kind == noKey }

// Int returns the index and whether k is one.
func (k Key) Int() (int, bool) { return k.n, k.kind == intKey }

// Text returns the string and whether k is one.
func (k Key) Text() (string, bool) { return k.s, k.kind == stringKey }

// String returns the index as it stands in an address, brackets included.
func (k Key) String() string {
	switch k.kind {
	case intKey:
		return "[" + strconv.Itoa(k.n) + "]"
	case stringKey:
		return "[" + quote(k.s) + "]"
	default:
		return ""
	}
}

// Compare orders no key first, then numbers by value, then strings.
func (k Key) Compare(o Key) int {
	return cmp.Or(cmp.Compare(k.kind, o.kind), cmp.Compare(k.n, o.n), strings.Compare(k.s, o.s))
}

// Instance names one object: an instance of a resource or data block, or one
// resource of a deployment (which has no name, and always a string key).
type Instance struct {
	Deployment Deployment
	Data       bool // a data source, not a managed resource
	Type       string
	Name       string // "" inside a deployment
	Key        Key
}

// In returns the address of the resource that a deployment's expansion calls
// by type and key.
func In(d Deployment, typ, key string) Instance {
	return Instance{Deployment: d, Type: typ, Key: StringKey(key)}
}

// Block returns the address without its key: the block that declares it.
func (a Instance) Block() Instance {
	a.Key = NoKey
	return a
}

// String returns the address as an HCL traversal, such as docker_network.lan,
// data.g5k_status.here or composition.web.docker.docker_container["client1"].
func (a Instance) String() string {
	var b strings.Builder
	if !a.Deployment.IsTop() {
		b.WriteString("composition.")
		b.WriteString(a.Deployment.Composition)
		b.WriteByte('.')
		b.WriteString(a.Deployment.Flavour)
		if a.Type == "" { // the whole deployment, see ParseBlock
			return b.String()
		}
		b.WriteByte('.')
	}
	if a.Data {
		b.WriteString("data.")
	}
	b.WriteString(a.Type)
	if a.Name != "" {
		b.WriteByte('.')
		b.WriteString(a.Name)
	}
	b.WriteString(a.Key.String())
	return b.String()
}

// Compare orders addresses: top level first, then by deployment, data before
// managed, type, name and key. It is the order of the state file.
func (a Instance) Compare(o Instance) int {
	return cmp.Or(
		a.Deployment.Compare(o.Deployment),
		compareBool(!a.Data, !o.Data),
		strings.Compare(a.Type, o.Type),
		strings.Compare(a.Name, o.Name),
		a.Key.Compare(o.Key),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}
