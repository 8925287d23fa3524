package config

// ask asks for what is missing, unless something is wrong already.
func (in *collector) ask(o InputOptions) {
	for _, name := range in.variableNames() {
		if _, given := in.given[name]; given || !in.Variables[name].Required() {
			continue
		}
		if in.diags.HasErrors() || !in.answered(o, name) {
			return
		}
	}
}

// answered asks for the value of a variable and reports whether there is one.
func (in *collector) answered(o InputOptions, name string) bool {
	if o.Ask == nil {
		return false
	}
	text, ok := o.Ask(in.Variables[name])
	if ok {
		in.text(in.Variables[name], text, "the answer")
	}
	return ok
}
