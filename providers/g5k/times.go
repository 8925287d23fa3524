package g5k

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // Paris is known on every machine

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// OAR writes dates in the time of Paris, wherever its user is.
const oarDate = "2006-01-02 15:04:05"

func paris() *time.Location {
	l, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		return time.UTC // the zones are part of the program, so this does not happen
	}
	return l
}

// parseDate reads a date as OAR writes it, or with a zone of its own.
func parseDate(attribute, text string) (time.Time, error) {
	for _, layout := range []string{oarDate, "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(layout, text, paris()); err == nil {
			return t, nil
		}
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	return time.Time{}, sdk.AttributeError(attribute, fmt.Sprintf("%q is not a date", text),
		"Write it as 2026-12-01 08:00, in the time of Paris, or with its zone, as 2026-12-01T08:00:00+01:00.")
}

// oarTime writes a time as OAR reads it.
func oarTime(t time.Time) string { return t.In(paris()).Format(oarDate) }

// stamp writes seconds since 1970 as the state keeps them; "" for none.
func stamp(seconds int64) string {
	if seconds <= 0 {
		return ""
	}
	return time.Unix(seconds, 0).UTC().Format(time.RFC3339)
}

// clock writes a time for people: the hour in Paris, and the day when it is
// another one than now's.
func clock(t, now time.Time) string {
	t, now = t.In(paris()), now.In(paris())
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04")
	}
	return t.Format("Mon 2 Jan 15:04")
}

// span writes how long something takes, for people.
func span(d time.Duration) string {
	d = d.Round(time.Second)
	h, m, s := int(d/time.Hour), int(d/time.Minute)%60, int(d/time.Second)%60
	switch {
	case h > 0 && m > 0:
		return fmt.Sprintf("%d h %d min", h, m)
	case h > 0:
		return fmt.Sprintf("%d h", h)
	case m > 0 && s > 0 && m < 10:
		return fmt.Sprintf("%d min %d s", m, s)
	case m > 0:
		return fmt.Sprintf("%d min", m)
	}
	return fmt.Sprintf("%d s", s)
}

// parseWalltime reads a walltime as Go writes durations (1h30m), or as OAR
// does: hours, hours:minutes, or hours:minutes:seconds.
func parseWalltime(text string) (time.Duration, error) {
	if d, err := time.ParseDuration(text); err == nil && d >= time.Second {
		return d.Truncate(time.Second), nil
	}
	parts := strings.Split(text, ":")
	var d time.Duration
	unit := time.Hour
	for _, part := range parts {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil || len(parts) > 3 {
			d = 0
			break
		}
		d += time.Duration(n) * unit
		unit /= 60
	}
	if d <= 0 {
		return 0, sdk.AttributeError("walltime", fmt.Sprintf("%q is not a walltime", text), "Write it as 1h30m, or as OAR does: 1:30:00.")
	}
	return d, nil
}

// oarWalltime writes a walltime as OAR reads it.
func oarWalltime(d time.Duration) string {
	return fmt.Sprintf("%d:%02d:%02d", int(d/time.Hour), int(d/time.Minute)%60, int(d/time.Second)%60)
}
