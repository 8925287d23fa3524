package g5k

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/providers/g5k/api"
)

// mark is what a job carries from its first moment: who made it, and what was
// asked for. It stands in the job's command, which OAR keeps and shows, as the
// variable NXC_JOB of a program that only sleeps.
type mark struct {
	UUID    string
	Address string
	Attempt string
	Asked   json.RawMessage
}

const (
	markBefore = "env NXC_JOB="
	// A job ends with its command, so this one outlasts every walltime.
	markAfter = " sleep 31536000"
)

// command writes the mark as the job's command. Only letters, digits, - and _
// stand in it, so that no shell on its way minds.
func (m mark) command() (string, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("mark %s: %w", m.Address, err)
	}
	return markBefore + base64.RawURLEncoding.EncodeToString(text) + markAfter, nil
}

// markOf reads a job's mark; nil when it has none.
func markOf(j *api.Job) *mark {
	_, rest, ok := strings.Cut(j.Command, markBefore)
	if !ok {
		return nil
	}
	word, _, _ := strings.Cut(rest, " ")
	text, err := base64.RawURLEncoding.DecodeString(word)
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
