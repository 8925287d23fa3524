package addr

import "testing"

func TestParseBlock(t *testing.T) {
	web := Deployment{Composition: "web", Flavour: "vm-ramdisk"}
	tests := map[string]Instance{
		"null_resource.a":                              {Type: "null_resource", Name: "a"},
		"null_resource.a[3]":                           {Type: "null_resource", Name: "a", Key: IntKey(3)},
		`composition.web.vm-ramdisk.qemu_machine["x"]`: In(web, "qemu_machine", "x"),
		"composition.web.vm-ramdisk.qemu_machine":      In(web, "qemu_machine", "x").Block(),
		"composition.web.vm-ramdisk":                   {Deployment: web},
	}
	for text, want := range tests {
		got, err := ParseBlock(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s: got %+v (%s), %v; want %+v", text, got, got, err, want)
		}
	}
	for _, text := range []string{"", "a", "composition", "composition.web", "composition.web.vm.", "composition.web.9.x", "composition.web.vm.t.u", `composition.web.vm.t[1]`} {
		if got, err := ParseBlock(text); err == nil {
			t.Errorf("%q was taken for %+v", text, got)
		}
	}
}
