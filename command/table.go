package command

// commands is the list of everything nxc can be told.
func commands(env *Env) map[string]*command {
	return map[string]*command{
		"init":             initCommand(env),
		"validate":         validateCommand(env),
		"plan":             planCommand(env),
		"build":            buildCommand(env),
		"apply":            applyCommand(env),
		"destroy":          destroyCommand(env),
		"show":             showCommand(env),
		"output":           outputCommand(env),
		"state list":       stateListCommand(env),
		"state show":       stateShowCommand(env),
		"adopt":            adoptCommand(env),
		"workspace new":    workspaceNewCommand(env),
		"workspace list":   workspaceListCommand(env),
		"workspace select": workspaceSelectCommand(env),
		"connect":          connectCommand(env),
		"exec":             execCommand(env),
		"providers":        providersCommand(env),
		"version":          versionCommand(env),
		"plugin":           pluginCommand(env),
	}
}
