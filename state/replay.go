package state

import (
	"maps"
	"slices"

	"github.com/nixos-compose/nxc/internal/addr"
)

// Verdict says how a dead command's journal and the state fit together.
type Verdict string

const (
	// Finished: the state has all that the journal says.
	Finished Verdict = "finished"
	// Replayable: the state is the one that the command began with, and the
	// journal's results were put in.
	Replayable Verdict = "replayable"
	// OtherBase: the state is neither (an older one was checked out, another
	// branch). Nothing of the journal was put in, and all that it set out to
	// do is to be looked for.
	OtherBase Verdict = "other base"
	// Lost: the state says that a command was running, and its journal is
	// nowhere to be found.
	Lost Verdict = "lost"
)

// Recovery says what was found of one dead command.
type Recovery struct {
	Journal string
	Command Command
	Verdict Verdict
	Results int // that were put into the state
	// Open is what must be asked about, with Provider.Find: operations of
	// which it is not known how they ended. A Session.Result for its address
	// and attempt closes one, whatever it says is there.
	Open []Intent
	Torn bool // the journal's last record was cut off, which is usual

	journal *Journal
}

// Settled reports whether there is nothing left to do about it.
func (r *Recovery) Settled() bool { return len(r.Open) == 0 }

// Replay puts what the journals say into base, each where it fits, oldest
// first. It changes neither base nor the world, and does the same each time.
func Replay(base *State, journals []*Journal) (*State, []*Recovery) {
	s := base.Clone()
	var all []*Recovery
	absorbed := absorbedBy(base, journals)
	for _, j := range journals {
		if j.Begin == nil { // it never began, so it did nothing
			all = append(all, &Recovery{Journal: j.Name, Verdict: Finished, Torn: j.Torn > 0, journal: j})
			continue
		}
		if absorbed[j.Name] {
			all = append(all, &Recovery{Journal: j.Name, Command: j.Begin.Command, Verdict: Finished, Torn: j.Torn > 0, journal: j})
			continue
		}
		r := replayOne(&s, j)
		if end := j.end(); r.Verdict == Finished && end != nil {
			for _, name := range end.Done {
				absorbed[name] = true
			}
		}
		closeAnswered(all, j, r.Verdict != OtherBase)
		all = append(all, r)
	}
	for _, r := range all {
		if absorbed[r.Journal] {
			r.Verdict, r.Open = Finished, nil
		}
	}
	return s, all
}

// absorbedBy names the journals that a later one took over and is done with,
// when the state is the one that this later one ended with. They must not be
// looked at: a deployment that was taken over and destroyed is again the
// nothing that the first of them began with, and would come back.
func absorbedBy(base *State, journals []*Journal) map[string]bool {
	absorbed := map[string]bool{}
	for _, j := range journals {
		if end := j.end(); j.Begin != nil && !j.Damaged && end != nil && matches(base, end.Hashes) {
			for _, name := range end.Done {
				absorbed[name] = true
			}
		}
	}
	return absorbed
}

func replayOne(s **State, j *Journal) *Recovery {
	r := &Recovery{Journal: j.Name, Command: j.Begin.Command, Torn: j.Torn > 0, journal: j}
	switch {
	case j.Damaged:
		r.Verdict, r.Open = OtherBase, j.intents(false)
		return r
	case j.end() != nil && matches(*s, j.end().Hashes):
		r.Verdict, r.Open = Finished, j.intents(true)
		return r
	case !matches(*s, j.Begin.Base):
		r.Verdict, r.Open = OtherBase, j.intents(false)
		return r
	}
	replayed := (*s).Clone()
	r.Results = j.apply(replayed)
	if replayed.verify(false) != nil && (*s).verify(false) == nil {
		r.Verdict, r.Results, r.Open = OtherBase, 0, j.intents(false)
		return r
	}
	*s = replayed
	r.Verdict, r.Open = Replayable, j.intents(true)
	return r
}

func matches(s *State, hashes map[addr.Deployment]string) bool {
	for d, h := range hashes {
		if s.Hash(d) != h {
			return false
		}
	}
	return true
}

// apply puts the results into s and counts them.
func (j *Journal) apply(s *State) int {
	n := 0
	touched := map[addr.Instance]bool{}
	for i := range j.Records {
		switch r := &j.Records[i]; {
		case r.Result != nil:
			n++
			touched[r.Result.Address], touched[r.Result.From] = true, true
			applyResult(s, r.Result)
		case r.Deployment != nil:
			applyDeployment(s, r.Deployment)
		}
	}
	mend(s, j.Begin.Command.Deployments, touched)
	return n
}

func applyResult(s *State, r *Result) {
	if r.moved() {
		s.RemoveResource(r.From)
	}
	if r.Resource == nil {
		s.RemoveResource(r.Address)
		return
	}
	s.SetResource(r.Resource)
}

func applyDeployment(s *State, c *DeploymentChange) {
	if c.Record == nil {
		s.RemoveDeployment(c.Name)
		return
	}
	s.SetDeployment(c.Record)
}

// operation identifies an intent, and the result that answers it.
type operation struct {
	address addr.Instance
	attempt string
}

// intents returns the journal's intents, once each: those without an answer,
// or all.
func (j *Journal) intents(onlyOpen bool) []Intent {
	last := map[operation]int{} // position of the record that stands for each
	for i := range j.Records {
		switch r := &j.Records[i]; {
		case r.Intent != nil:
			last[operation{r.Intent.Address, r.Intent.Attempt}] = i
		case r.Result != nil && onlyOpen:
			delete(last, operation{r.Result.Address, r.Result.Attempt})
		}
	}
	var open []Intent
	for _, i := range slices.Sorted(maps.Values(last)) {
		open = append(open, *j.Records[i].Intent)
	}
	return open
}

// closeAnswered takes from earlier recoveries what j, which ran later, gives
// an answer to, or announces anew. Where j does not fit, its answer that an
// object exists is in no state, so that object is still to be looked for.
func closeAnswered(earlier []*Recovery, j *Journal, fits bool) {
	if !slices.ContainsFunc(earlier, func(e *Recovery) bool { return len(e.Open) > 0 }) {
		return
	}
	answered := map[operation]bool{}
	for i := range j.Records {
		if r := j.Records[i].Result; r != nil && (fits || r.Resource == nil) {
			answered[operation{r.Address, r.Attempt}] = true
		}
		if i := j.Records[i].Intent; i != nil {
			answered[operation{i.Address, i.Attempt}] = true
		}
	}
	for _, e := range earlier {
		e.Open = slices.DeleteFunc(e.Open, func(i Intent) bool { return answered[operation{i.Address, i.Attempt}] })
	}
}

// end returns the last record when it is an End.
func (j *Journal) end() *End {
	if len(j.Records) == 0 {
		return nil
	}
	return j.Records[len(j.Records)-1].End
}
