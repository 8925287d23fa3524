package wire

import (
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/nixos-compose/nxc/plugins"
	"github.com/nixos-compose/nxc/plugins/proto"
)

// text makes s fit for the wire, where strings are UTF-8: programs print what
// they like, and a message must not fail for it.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func diagnosticsTo(d plugins.Diagnostics) []*proto.Diagnostic {
	if len(d) == 0 {
		return nil
	}
	out := make([]*proto.Diagnostic, len(d))
	for i := range d {
		out[i] = diagnosticTo(&d[i])
	}
	return out
}

func diagnosticTo(d *plugins.Diagnostic) *proto.Diagnostic {
	severity := proto.Diagnostic_ERROR
	if d.Severity == plugins.Warning {
		severity = proto.Diagnostic_WARNING
	}
	return &proto.Diagnostic{Severity: severity, Summary: text(d.Summary), Detail: text(d.Detail), Path: pathTo(d.Path)}
}

func diagnosticsFrom(d []*proto.Diagnostic) plugins.Diagnostics {
	if len(d) == 0 {
		return nil
	}
	out := make(plugins.Diagnostics, len(d))
	for i := range d {
		out[i] = diagnosticFrom(d[i])
	}
	return out
}

func diagnosticFrom(d *proto.Diagnostic) plugins.Diagnostic {
	severity := plugins.Error
	if d.GetSeverity() == proto.Diagnostic_WARNING {
		severity = plugins.Warning
	}
	return plugins.Diagnostic{Severity: severity, Summary: d.GetSummary(), Detail: d.GetDetail(), Path: pathFrom(d.GetPath())}
}

func pathTo(p cty.Path) []*proto.PathStep {
	var steps []*proto.PathStep
	for _, step := range p {
		switch step := step.(type) {
		case cty.GetAttrStep:
			steps = append(steps, &proto.PathStep{Step: &proto.PathStep_Attribute{Attribute: text(step.Name)}})
		case cty.IndexStep:
			if !step.Key.IsKnown() || step.Key.IsNull() {
				return steps
			}
			switch step.Key.Type() {
			case cty.String:
				steps = append(steps, &proto.PathStep{Step: &proto.PathStep_Key{Key: text(step.Key.AsString())}})
			case cty.Number:
				n, _ := step.Key.AsBigFloat().Int64()
				steps = append(steps, &proto.PathStep{Step: &proto.PathStep_Index{Index: n}})
			default:
				return steps // the element of a set has no place
			}
		}
	}
	return steps
}

func pathFrom(steps []*proto.PathStep) cty.Path {
	var p cty.Path
	for _, step := range steps {
		switch step := step.GetStep().(type) {
		case *proto.PathStep_Attribute:
			p = append(p, cty.GetAttrStep{Name: step.Attribute})
		case *proto.PathStep_Key:
			p = append(p, cty.IndexStep{Key: cty.StringVal(step.Key)})
		case *proto.PathStep_Index:
			p = append(p, cty.IndexStep{Key: cty.NumberIntVal(step.Index)})
		}
	}
	return p
}
