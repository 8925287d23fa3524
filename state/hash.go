package state

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/nixos-compose/nxc/internal/addr"
)

// Hash returns a hash of all that the state says of one deployment, its
// resources included; the zero name asks for the top level. It is taken over
// what the file means and not over its bytes, and open marks do not count: it
// says whether the deployment is as it was. A deployment of which nothing is
// recorded has the empty hash.
func (s *State) Hash(d addr.Deployment) string {
	record := s.Deployment(d)
	if record == nil && len(s.resources[d]) == 0 {
		return ""
	}
	p := &printer{compact: true}
	p.open('{')
	if record != nil {
		p.key("deployment")
		writeDeployment(p, record)
	}
	sum := sha256.New()
	for _, r := range s.ResourcesOf(d) {
		p.key(r.Address.String())
		writeResource(p, r)
		sum.Write(p.buf)
		p.buf = p.buf[:0]
	}
	p.close('}')
	sum.Write(p.buf)
	return "sha256:" + hex.EncodeToString(sum.Sum(nil))
}

// Hashes returns the hash of each of the deployments.
func (s *State) Hashes(ds []addr.Deployment) map[addr.Deployment]string {
	all := make(map[addr.Deployment]string, len(ds))
	for _, d := range ds {
		all[d] = s.Hash(d)
	}
	return all
}
