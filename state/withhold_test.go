package state

import (
	"testing"

	"github.com/zclconf/go-cty/cty"
)

func TestWithholdAndRestore(t *testing.T) {
	seal := newSealer("token")
	object := func(password, size string) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{
			"env":  cty.MapVal(map[string]cty.Value{"PASSWORD": cty.StringVal(password)}),
			"size": cty.StringVal(size),
		})
	}
	secret := []cty.Path{cty.GetAttrPath("env").IndexString("PASSWORD")}
	i := Incarnation{Provider: "docker", Attempt: "a1"}
	must(t, i.SetObject(object("hunter2", "small"), Split{Sensitive: secret, Seal: seal}))
	recorded, err := i.Object(object("", "").Type())
	must(t, err)

	for name, c := range map[string]struct {
		world, config string
		drift, change bool
	}{
		"nothing changed":       {"hunter2", "hunter2", false, false},
		"the world changed":     {"other", "hunter2", true, true},
		"another one is wanted": {"hunter2", "other", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			current := i.Withhold(object(c.world, "small"), seal)
			if got := !current.RawEquals(recorded); got != c.drift {
				t.Errorf("drift %v, want %v: %#v", got, c.drift, current)
			}
			want := object(c.config, "small")
			before := i.Restore(current, want, seal)
			if got := !before.RawEquals(want); got != c.change {
				t.Errorf("change %v, want %v: %#v", got, c.change, before)
			}
		})
	}
	if got := i.Withhold(cty.NullVal(recorded.Type()), seal); !got.IsNull() {
		t.Errorf("got %#v of what is gone", got)
	}
}
