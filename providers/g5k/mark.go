package g5k

import (
	"encoding/base32"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/providers/g5k/api"
)

// mark is what a job carries from its first moment: who made it, and what was
// asked for. It stands in the job's properties, the condition on its nodes that
// OAR keeps and shows, as something that holds for each of them. The command
// will not do: the interface puts it into a file of the user's, and shows only
// that file's name.
type mark struct {
	UUID    string
	Address string
	Attempt string
	Asked   json.RawMessage
}

// A job ends with its command, so this one outlasts every walltime.
const outlasts = "sleep 31536000"

// markBefore stands before the mark in the properties: every resource has an
// address, if only an empty one, and none has this one.
const markBefore = "network_address <> 'nxc_job_"

// letters are those that marks are written with. Shells, SQL and Grid'5000's
// abbreviations of conditions find nothing in them.
var letters = base32.StdEncoding.WithPadding(base32.NoPadding)

// condition writes the mark as a condition.
func (m mark) condition() (string, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("mark %s: %w", m.Address, err)
	}
	return markBefore + letters.EncodeToString(text) + "'", nil
}

// markOf reads a job's mark; nil when it has none.
func markOf(j *api.Job) *mark {
	_, rest, ok := strings.Cut(j.Properties, markBefore)
	if !ok {
		return nil
	}
	word, _, _ := strings.Cut(rest, "'")
	text, err := letters.DecodeString(word)
	if err != nil {
		return nil
	}
	var m mark
	if json.Unmarshal(text, &m) != nil || m.UUID == "" {
		return nil
	}
	return &m
}

// jobName is the name that a job has at OAR. It is the key by which a job whose
// submission was not answered is found again, so no other has it: what people
// call it, the deployment, and the attempt.
func jobName(op sdk.Operation, name string) string {
	if name == "" {
		name = op.Address
	}
	return fmt.Sprintf("nxc-%s-%s-%s", head(op.UUID, 8), plain(name, 48), head(op.Attempt, 16))
}

func head(s string, n int) string { return s[:min(n, len(s))] }

// plain keeps of a name what is allowed everywhere, and its end, which tells
// addresses apart.
func plain(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_':
			return r
		}
		return '-'
	}, s)
	s = strings.Trim(s, "-.")
	return s[max(0, len(s)-most):]
}
