package addr

import "strconv"

// NodeNames returns the names of n nodes of a role, the same in every flavour:
// one node has the role's name, several are numbered from 1.
func NodeNames(role string, n int) []string {
	if n == 1 {
		return []string{role}
	}
	names := make([]string, max(n, 0))
	for i := range names {
		names[i] = role + strconv.Itoa(i+1)
	}
	return names
}

// ValidNodeName reports whether s can be a node's name, which is also its host
// name: letters, digits, "-" and "_", at most 63, a letter or digit at both ends.
func ValidNodeName(s string) bool {
	if s == "" || len(s) > 63 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case (c == '-' || c == '_') && i > 0 && i < len(s)-1:
		default:
			return false
		}
	}
	return true
}
