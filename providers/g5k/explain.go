package g5k

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/providers/g5k/api"
)

// explain turns a failure of the interface's into something that a person can
// act on. doing is what was tried, as in "read job 42 at lyon".
func explain(err error, doing string) error {
	var f *api.Failure
	if !errors.As(err, &f) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	switch {
	case f.Status == 0:
		return sdk.Error("Grid'5000 does not answer",
			fmt.Sprintf("It could not %s: %s. Is the network there? Nothing is lost: run the command again when it is.", doing, f.Message))
	case f.Passing:
		return sdk.Error("The interface of Grid'5000 is in trouble",
			fmt.Sprintf("It could not %s: %d %s. This usually passes: run the command again in a while, and look at https://www.grid5000.fr/status if it stays.", doing, f.Status, f.Message))
	case f.Status == http.StatusUnauthorized:
		return sdk.Error("Grid'5000 does not accept the password any more", fmt.Sprintf("It could not %s. Look whether the password was changed.", doing))
	case f.Status == http.StatusForbidden:
		return sdk.Error("Grid'5000 does not allow this", fmt.Sprintf("It could not %s. %s", doing, said(err)))
	}
	return sdk.Error("Grid'5000 refuses", fmt.Sprintf("It could not %s. %s", doing, said(err)))
}

// said quotes what the interface answered, as a sentence.
func said(err error) string {
	var f *api.Failure
	if !errors.As(err, &f) || f.Message == "" {
		return ""
	}
	if strings.Contains(f.Message, "\n") {
		return "It says:\n" + f.Message
	}
	return "It says: " + strings.TrimSuffix(f.Message, ".") + "."
}

// among lists names for a message, the likeliest first.
func among(wanted string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	best, distance := "", 3
	for _, name := range names {
		if d := editDistance(wanted, name); d < distance {
			best, distance = name, d
		}
	}
	list := strings.Join(names, ", ")
	if best != "" {
		return fmt.Sprintf("Did you mean %s? There are %s.", best, list)
	}
	return fmt.Sprintf("There are %s.", list)
}

// editDistance counts the letters to change, add or drop between two words.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j]+1, row[j+1]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
