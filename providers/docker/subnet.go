package docker

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"math/bits"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// subnetsVariable names pools for all projects of a user or a machine.
const subnetsVariable = "NXC_DOCKER_SUBNETS"

// choosePools are the addresses from which subnets are taken, in order: the
// configuration's, the environment's, or the usual ones.
func choosePools(c Config, getenv func(string) string) ([]netip.Prefix, error) {
	texts, source := c.Subnets, "the provider block's subnets"
	if len(texts) == 0 {
		source = subnetsVariable
		texts = strings.FieldsFunc(getenv(source), func(r rune) bool { return r == ',' || r == ' ' })
	}
	if len(texts) == 0 {
		return usualPools(), nil
	}
	var pools []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil || !p.Addr().Is4() || p != p.Masked() || p.Bits() > 29 {
			return nil, sdk.AttributeError("subnets", fmt.Sprintf("No subnets can be taken from %q", text),
				fmt.Sprintf("%s holds prefixes of IPv4 in CIDR notation, such as 10.200.0.0/16, of at least eight addresses.", source))
		}
		pools = append(pools, p)
	}
	return pools, nil
}

// sources are the chosen pools; an engine that was never configured has none.
func (e *engine) sources() []netip.Prefix {
	if len(e.pools) == 0 {
		return usualPools()
	}
	return e.pools
}

// usualPools are private addresses that seldom mean anything to anybody.
func usualPools() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("10.89.0.0/16"),
		netip.MustParsePrefix("10.90.0.0/15"),
		netip.MustParsePrefix("10.92.0.0/14"),
		netip.MustParsePrefix("172.28.0.0/14"),
		netip.MustParsePrefix("192.168.128.0/17"),
		netip.MustParsePrefix("198.18.0.0/15"),
	}
}

// subnetFor returns the subnet of a deployment that has none yet: its own
// start, or else the first that overlaps nothing we saw and nothing that
// another deployment of this process took. Asked again, it gives the same answer.
func (e *engine) subnetFor(deployment string, nodes int) (netip.Prefix, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	width := subnetWidth(nodes)
	if p, ok := e.chosen[deployment]; ok && p.Bits() <= width {
		return p, nil
	}
	taken := slices.Clone(e.taken)
	for name, p := range e.chosen {
		if name != deployment {
			taken = append(taken, p)
		}
	}
	p, ok := e.startOf(deployment, width)
	if !ok || slices.ContainsFunc(taken, p.Overlaps) {
		p, ok = firstFree(e.sources(), taken, width)
	}
	if !ok {
		return netip.Prefix{}, fmt.Errorf("no subnet /%d is free", width)
	}
	if e.chosen == nil {
		e.chosen = map[string]netip.Prefix{}
	}
	e.chosen[deployment] = p
	return p, nil
}

// startOf is the subnet of the first pool that a deployment tries first, drawn
// from its name and the project's folder: two projects that are planned at the
// same moment, and see the same subnets free, then seldom choose the same one.
func (e *engine) startOf(deployment string, width int) (netip.Prefix, bool) {
	pool := e.sources()[0]
	if e.seed == "" || pool.Bits() > width {
		return netip.Prefix{}, false
	}
	h := fnv.New32a()
	h.Write([]byte(e.seed + "\x00" + deployment))
	n := uint64(h.Sum32()) % (1 << (width - pool.Bits()))
	a, ok := offset(pool.Addr(), n<<(32-width))
	return netip.PrefixFrom(a, width), ok
}

// reserve remembers that a deployment holds a subnet, so that no other gets it.
func (e *engine) reserve(deployment string, p netip.Prefix) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.chosen == nil {
		e.chosen = map[string]netip.Prefix{}
	}
	e.chosen[deployment] = p
}

// subnetWidth is the prefix length that holds nodes and leaves room to grow.
func subnetWidth(nodes int) int {
	return min(24, 32-bits.Len(uint(2*nodes+3)))
}

// firstFree returns the first subnet of the given width in pools that overlaps
// none of taken.
func firstFree(pools, taken []netip.Prefix, width int) (netip.Prefix, bool) {
	for _, pool := range pools {
		for a := pool.Addr(); pool.Contains(a); {
			p := netip.PrefixFrom(a, width)
			if pool.Bits() <= width && !slices.ContainsFunc(taken, p.Overlaps) {
				return p, true
			}
			next, ok := offset(a, 1<<(32-width))
			if !ok {
				break
			}
			a = next
		}
	}
	return netip.Prefix{}, false
}

// offset is the address n after a; false beyond the last.
func offset(a netip.Addr, n uint64) (netip.Addr, bool) {
	b := a.As4()
	v := uint64(binary.BigEndian.Uint32(b[:])) + n
	if v > 0xffffffff {
		return netip.Addr{}, false
	}
	binary.BigEndian.PutUint32(b[:], uint32(v))
	return netip.AddrFrom4(b), true
}

// hostRoutes are the subnets that this machine has routes to.
func hostRoutes() []netip.Prefix {
	f, err := os.Open(ownNetwork + "route")
	if err != nil {
		return nil // not Linux: the engine refuses what overlaps
	}
	defer f.Close()
	return parseRoutes(f)
}

// parseRoutes reads /proc/net/route, whose numbers are in the machine's own
// byte order.
func parseRoutes(r io.Reader) []netip.Prefix {
	var routes []netip.Prefix
	for lines := bufio.NewScanner(r); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 8 {
			continue
		}
		to, err1 := strconv.ParseUint(fields[1], 16, 32)
		mask, err2 := strconv.ParseUint(fields[7], 16, 32)
		width := bits.OnesCount32(uint32(mask))
		if err1 != nil || err2 != nil || width == 0 {
			continue // the heading, or a default route
		}
		var a [4]byte
		binary.NativeEndian.PutUint32(a[:], uint32(to))
		routes = append(routes, netip.PrefixFrom(netip.AddrFrom4(a), width).Masked())
	}
	return routes
}
