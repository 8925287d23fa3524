package agent

import (
	"os"
	"path/filepath"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Program describes the program that runs on nodes: this very one.
func Program() (Source, error) {
	self, err := os.Executable()
	if err != nil {
		return Source{}, err
	}
	return ReadSource(filepath.Base(os.Args[0]), self)
}

// Command is how the program in a folder of a node is started with Main's
// arguments.
func Command(dir string, args ...string) ([]string, error) {
	cmd, err := sdk.Program(ProgramName, args...)
	if err != nil {
		return nil, err
	}
	line := []string{"env", cmd.Env[len(cmd.Env)-1], filepath.Join(dir, filepath.Base(cmd.Args[0]))}
	return append(line, cmd.Args[1:]...), nil
}
