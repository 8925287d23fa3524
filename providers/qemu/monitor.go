package qemu

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// Monitor gives QEMU a command in the words of its human monitor.
func (m machines) Monitor(ctx context.Context, _ sdk.Operation, have *Machine, command string) (string, error) {
	q, err := m.monitor(ctx, have)
	if err != nil {
		return "", explainSocket(have, err)
	}
	defer q.close()
	defer context.AfterFunc(ctx, q.close)()
	answer, err := q.askWith("human-monitor-command", map[string]string{"command-line": command}, monitorLimit)
	if err != nil {
		return "", err
	}
	var said string
	if err := json.Unmarshal(answer, &said); err != nil {
		return "", fmt.Errorf("read QEMU's answer to %q: %w", command, err)
	}
	return said, nil
}

// monitorLimit is how long QEMU may take for a command of a user's: some, such
// as saving the memory, take long.
const monitorLimit = 10 * time.Minute
