package config

import (
	"errors"
	"fmt"
	"math/big"
	"net/netip"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// parsePrefix reads a network such as 10.0.0.0/16 and clears its host bits.
func parsePrefix(v cty.Value) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(v.AsString())
	if err != nil {
		return p, function.NewArgErrorf(0, "%q is no network in CIDR notation, such as 10.0.0.0/16", v.AsString())
	}
	return p.Masked(), nil
}

// nthAddress returns the address that lies n behind a, or a when there is none.
func nthAddress(a netip.Addr, n *big.Int) netip.Addr {
	sum := new(big.Int).Add(new(big.Int).SetBytes(a.AsSlice()), n)
	if sum.Sign() < 0 || sum.BitLen() > a.BitLen() {
		return a
	}
	nth, _ := netip.AddrFromSlice(sum.FillBytes(make([]byte, a.BitLen()/8)))
	return nth
}

// integer reads a whole number of any size.
func integer(v cty.Value, argument int) (*big.Int, error) {
	n, accuracy := v.AsBigFloat().Int(nil)
	if accuracy != big.Exact || n == nil {
		return nil, function.NewArgErrorf(argument, "it must be a whole number")
	}
	return n, nil
}

// host returns the address with a number inside a network; a negative one
// counts from the end.
func host(p netip.Prefix, n *big.Int) (netip.Addr, error) {
	size := new(big.Int).Lsh(big.NewInt(1), uint(p.Addr().BitLen()-p.Bits()))
	if n.Sign() < 0 {
		n = new(big.Int).Add(size, n)
	}
	if n.Sign() < 0 || n.Cmp(size) >= 0 {
		return netip.Addr{}, fmt.Errorf("%s has %s addresses, and none with this number", p, size)
	}
	a := nthAddress(p.Addr(), n)
	return a, nil
}

// subnet returns the network with a number among those that are bits smaller.
func subnet(p netip.Prefix, bits int, n *big.Int) (netip.Prefix, error) {
	length := p.Bits() + bits
	if bits < 0 || length > p.Addr().BitLen() {
		return p, fmt.Errorf("%s cannot be divided by %d more bits", p, bits)
	}
	if n.Sign() < 0 || n.BitLen() > bits {
		return p, fmt.Errorf("%d bits number the networks of %s up to %s, and this is %s", bits, p, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(bits)), big.NewInt(1)), n)
	}
	a := nthAddress(p.Addr(), new(big.Int).Lsh(n, uint(p.Addr().BitLen()-length)))
	return netip.PrefixFrom(a, length), nil
}

func cidrHostFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "prefix", Type: cty.String}, {Name: "number", Type: cty.Number}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			p, err := parsePrefix(args[0])
			if err != nil {
				return cty.UnknownVal(cty.String), err
			}
			n, err := integer(args[1], 1)
			if err != nil {
				return cty.UnknownVal(cty.String), err
			}
			a, err := host(p, n)
			return cty.StringVal(a.String()), err
		},
	})
}

func cidrNetmaskFunc() function.Function {
	return stringFunc(func(s string) (string, error) {
		p, err := parsePrefix(cty.StringVal(s))
		if err != nil {
			return "", err
		}
		if !p.Addr().Is4() {
			return "", errors.New("only networks of IPv4 have a mask")
		}
		mask, err := netip.MustParseAddr("255.255.255.255").Prefix(p.Bits())
		return mask.Addr().String(), err
	})
}

func cidrSubnetFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "prefix", Type: cty.String}, {Name: "bits", Type: cty.Number}, {Name: "number", Type: cty.Number}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			p, err := parsePrefix(args[0])
			if err != nil {
				return cty.UnknownVal(cty.String), err
			}
			bits, ok := wholeNumber(args[1])
			if !ok {
				return cty.UnknownVal(cty.String), function.NewArgErrorf(1, "it must be a whole number")
			}
			n, err := integer(args[2], 2)
			if err != nil {
				return cty.UnknownVal(cty.String), err
			}
			q, err := subnet(p, bits, n)
			return cty.StringVal(q.String()), err
		},
	})
}

// cidrSubnetsFunc divides a network into networks of given sizes, in order.
func cidrSubnetsFunc() function.Function {
	return function.New(&function.Spec{
		Params:   []function.Parameter{{Name: "prefix", Type: cty.String}},
		VarParam: &function.Parameter{Name: "bits", Type: cty.Number},
		Type:     function.StaticReturnType(cty.List(cty.String)),
		Impl: func(args []cty.Value, want cty.Type) (cty.Value, error) {
			p, err := parsePrefix(args[0])
			if err != nil {
				return cty.UnknownVal(want), err
			}
			var all []cty.Value
			used := new(big.Int) // addresses of p that are given away
			for i, arg := range args[1:] {
				bits, ok := wholeNumber(arg)
				if length := p.Bits() + bits; !ok || bits < 1 || length > p.Addr().BitLen() {
					return cty.UnknownVal(want), function.NewArgErrorf(i+1, "%s cannot be divided by so many bits", p)
				}
				size := new(big.Int).Lsh(big.NewInt(1), uint(p.Addr().BitLen()-p.Bits()-bits))
				start := roundUp(used, size)
				used = new(big.Int).Add(start, size)
				if used.BitLen() > p.Addr().BitLen()-p.Bits() && used.Cmp(new(big.Int).Lsh(big.NewInt(1), uint(p.Addr().BitLen()-p.Bits()))) > 0 {
					return cty.UnknownVal(want), function.NewArgErrorf(i+1, "%s has no room for this one", p)
				}
				a := nthAddress(p.Addr(), start)
				all = append(all, cty.StringVal(netip.PrefixFrom(a, p.Bits()+bits).String()))
			}
			if len(all) == 0 {
				return cty.ListValEmpty(cty.String), nil
			}
			return cty.ListVal(all), nil
		},
	})
}

// roundUp returns the first multiple of size that is not below n.
func roundUp(n, size *big.Int) *big.Int {
	up := new(big.Int).Sub(new(big.Int).Add(n, size), big.NewInt(1))
	return up.Mul(up.Div(up, size), size)
}
