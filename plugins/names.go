package plugins

import "strconv"

// NodeNames returns the names of n nodes of a role, the same in every flavour:
// one node has the role's name, several are numbered from 1.
func NodeNames(role string, n int) []string {
	if n == 1 {
		return []string{role}
	}
	names := make([]string, n)
	for i := range names {
		names[i] = role + strconv.Itoa(i+1)
	}
	return names
}
