package command

// commands is the list of everything nxc can be told.
func commands(env *Env) map[string]*command {
	table := map[string]*command{
		"init":                   initCommand(env),
		"validate":               validateCommand(env),
		"fmt":                    fmtCommand(env),
		"plan":                   planCommand(env),
		"build":                  buildCommand(env),
		"apply":                  applyCommand(env),
		"destroy":                destroyCommand(env),
		"diff":                   diffCommand(env),
		"graph":                  graphCommand(env),
		"show":                   showCommand(env),
		"output":                 outputCommand(env),
		"eval":                   evalCommand(env),
		"state list":             stateListCommand(env),
		"state show":             stateShowCommand(env),
		"state mv":               stateMvCommand(env),
		"state rm":               stateRmCommand(env),
		"state pull":             statePullCommand(env),
		"state push":             statePushCommand(env),
		"state verify":           stateVerifyCommand(env),
		"state recover":          stateRecoverCommand(env),
		"import":                 importCommand(env),
		"refresh":                refreshCommand(env),
		"taint":                  taintCommand(env),
		"untaint":                untaintCommand(env),
		"force-unlock":           forceUnlockCommand(env),
		"adopt":                  adoptCommand(env),
		"workspace show":         workspaceShowCommand(env),
		"workspace delete":       workspaceDeleteCommand(env),
		"state replace-provider": stateReplaceProviderCommand(env),
		"workspace new":          workspaceNewCommand(env),
		"workspace list":         workspaceListCommand(env),
		"workspace select":       workspaceSelectCommand(env),
		"connect":                connectCommand(env),
		"exec":                   execCommand(env),
		"logs":                   logsCommand(env),
		"console":                consoleCommand(env),
		"ssh-config":             sshConfigCommand(env),
		"ssh-proxy":              sshProxyCommand(env),
		"inventory":              inventoryCommand(env),
		"cp":                     cpCommand(env),
		"collect":                collectCommand(env),
		"test":                   testCommand(env),
		"driver":                 driverCommand(env),
		"link":                   linkCommand(env),
		"lock":                   lockCommand(env),
		"providers":              providersCommand(env),
		"version":                versionCommand(env),
		"plugin":                 pluginCommand(env),
	}
	for _, v := range powerVerbs() {
		table[v.name] = powerCommand(env, v)
	}
	return table
}
