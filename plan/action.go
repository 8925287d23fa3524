package plan

// Action is what is done to an object.
type Action uint8

const (
	NoOp      Action = iota // it is as desired
	Create                  // it is not there
	Update                  // it is changed in place
	Replace                 // another object takes its place
	Delete                  // it is not desired any more
	ReadLater               // a data source that can be read only during the apply
)

// String returns the action's name, in lower case.
func (a Action) String() string {
	switch a {
	case NoOp:
		return "no-op"
	case Create:
		return "create"
	case Update:
		return "update"
	case Replace:
		return "replace"
	case Delete:
		return "delete"
	case ReadLater:
		return "read"
	default:
		return "unknown action"
	}
}
