package command

// formerFlags say what flags of NixOSCompose's commands are here. The website's
// page for its users names them all.
var formerFlags = map[string]string{
	"C":                   "-flavour COMPOSITION::FLAVOUR",
	"F":                   "nxc providers",
	"I":                   "nxc driver",
	"L":                   "nxc validate",
	"P":                   "params in the composition",
	"c":                   "-flavour COMPOSITION::FLAVOUR",
	"composition":         "-flavour COMPOSITION::FLAVOUR",
	"composition-flavour": "-flavour COMPOSITION::FLAVOUR",
	"default-flavour":     "default = true in a flavour block",
	"dry-build":           "nxc build -dry-run",
	"f":                   "-flavour",
	"interactive":         "nxc driver",
	"k":                   "boot.kernelParams in a role",
	"kernel-params":       "boot.kernelParams in a role",
	"l":                   "-user of nxc connect",
	"list-flavours":       "nxc providers",
	"m":                   "machines in a flavour block",
	"machine-file":        "machines in a flavour block",
	"nix-flags":           "an nxc { build { … } } block",
	"o":                   "-out",
	"out-link":            "-out",
	"p":                   "-var 'params={a=1}'",
	"parameter":           "-var 'params={a=1}'",
	"r":                   "roles in the composition",
	"role-distribution":   "roles in the composition",
	"s":                   "-var variant=NAME",
	"setup":               "-var variant=NAME",
	"setup-param":         "-var 'params={a=1}'",
	"show-trace":          "-v",
	"t":                   "nxc test, or -template of nxc init",
	"test-script":         "nxc test",
	"u":                   "nix flake update",
	"update-flake":        "nix flake update",
}

// terraformFlags say what there is for flags of Terraform's that nxc's commands
// have not. The website's page for its users names them all.
var terraformFlags = map[string]string{
	"allow-missing":       "taint takes addresses that exist; nxc state list shows them",
	"backend":             "the state is nxc.state.json beside the configuration, meant to be committed",
	"backend-config":      "the state is nxc.state.json beside the configuration, meant to be committed",
	"backup":              "the former state is kept in .nxc/backup by itself",
	"compact-warnings":    "warnings are short as they are",
	"exclude":             "-flavour selects whole deployments, and leaves the others alone",
	"force":               "-auto-approve",
	"force-copy":          "the state is nxc.state.json beside the configuration; git takes it along",
	"from-module":         "-template writes an example; nxc init -list names them",
	"generate-config-out": "write the resource block, then nxc import or an import block; nxc plan shows what differs",
	"id":                  "nxc state show ADDRESS has an object's identifier",
	"input":               "leave it out: nxc asks only where the standard input is a terminal, and never with -json",
	"lock":                "the state is always locked; -lock-timeout waits for another command, and nxc force-unlock ends one that hangs",
	"lockfile":            "plugins of third parties are pinned in .nxc.lock.hcl by the first apply, and nxc init -upgrade accepts changed ones",
	"migrate-state":       "the state is nxc.state.json beside the configuration; git takes it along",
	"parallelism":         "nxc apply and nxc destroy have it; a plan reads everything at once",
	"plugin-dir":          "plugins of third parties are found as nxc-provider-NAME in the PATH or in .nxc/plugins; nxc providers shows them",
	"reconfigure":         "the state is nxc.state.json beside the configuration, and has no backend",
	"refresh":             "what exists is always read first, so that a plan is true; nxc show shows what the state says, without",
	"refresh-only":        "nxc plan shows what changed outside before anything else, and nxc refresh writes only that down",
	"state-out":           "nxc state pull > FILE makes a copy of the state",
	"target":              "-flavour selects whole deployments; a part of one is not applied alone. -replace ADDRESS makes one object anew",
	"target-file":         "-flavour selects whole deployments; a part of one is not applied alone",
	"test-directory":      "a composition's testScript is its test: nxc test",
}

// terraformCommands say what there is for Terraform's commands that nxc has not.
var terraformCommands = map[string]string{
	"cloud":    "nxc has no service of its own. The state is nxc.state.json, meant for git.",
	"env":      "It is called nxc workspace.",
	"get":      "There are no modules to fetch: all *.nxc.hcl files of a folder are one configuration.",
	"login":    "nxc has no registry and no account.",
	"logout":   "nxc has no registry and no account.",
	"metadata": "nxc providers names the types of resources; its documentation lists the functions.",
	"modules":  "There are no modules: all *.nxc.hcl files of a folder are one configuration.",
	"query":    "nxc state recover lists what exists and is not in the state; nxc import takes an object in.",
	"stacks":   "A composition with several flavours is several deployments; -flavour selects them.",
}

// foreignFlag says what there is instead of a flag of another tool; "" where
// no other tool that we know has it.
func foreignFlag(name string) string {
	if here := formerFlags[name]; here != "" {
		return "; what NixOSCompose has it for is " + here
	}
	if here := terraformFlags[name]; here != "" {
		return ". Coming from Terraform: " + here
	}
	return ""
}
