package oar

import (
	"errors"
	"strings"
	"time"
	_ "time/tzdata" // reservations are in Europe/Paris, also where a machine knows no zones
)

// paris is the zone in which people write reservations.
func paris() *time.Location {
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		return time.UTC // cannot be: the zones are compiled in
	}
	return zone
}

// parseReservation reads "START" or "START, END", where each is
// YYYY-MM-DD hh:mm:ss, a time of today, or "now".
func parseReservation(text string, now time.Time) (start, end time.Time, err error) {
	first, second, two := strings.Cut(text, ",")
	if start, err = parseDate(first, now); err != nil || !two {
		return start, end, err
	}
	end, err = parseDate(second, now)
	return start, end, err
}

// noDate is what oarsub says of anything else.
const noDate = `Syntax error near the -r or --reservation option. The reservation date synstax is : "2027-03-25 17:32:12".`

func parseDate(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "now" {
		return now, nil
	}
	for _, layout := range []string{"2006-1-2 15:4:5", "2006-1-2 15:4", "2006-1-2 15"} {
		if t, err := time.ParseInLocation(layout, text, paris()); err == nil {
			return t, nil
		}
	}
	today := now.In(paris()).Format("2006-1-2 ")
	for _, layout := range []string{"2006-1-2 15:4:5", "2006-1-2 15:4", "2006-1-2 15"} {
		if t, err := time.ParseInLocation(layout, today+text, paris()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New(noDate)
}

// reservedTime is when a reservation begins, and the walltime that its end
// implies, 0 without an end.
func reservedTime(text string, now time.Time) (time.Time, time.Duration, error) {
	start, end, err := parseReservation(text, now)
	if err != nil || end.IsZero() {
		return start, 0, err
	}
	if !end.After(start) {
		return start, 0, errors.New("the end of the reservation is not after its start")
	}
	return start, end.Sub(start), nil
}
