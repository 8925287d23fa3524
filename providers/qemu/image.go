package qemu

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/nixos-compose/nxc/plugins/sdk"
)

// checkImage finds what keeps an image from being made.
func checkImage(ctx context.Context, base, format string, size int64) error {
	if base == "" {
		if size == 0 {
			return sdk.AttributeError("size", "The disk has no size", "Give a size, or a base that has one.")
		}
		return nil
	}
	if _, err := os.Stat(base); err != nil {
		return sdk.AttributeError("base", "The base of a disk is missing", err.Error()+".")
	}
	below, err := imageSize(ctx, base, format)
	if err == nil && size != 0 && size < below {
		return sdk.AttributeError("size", "The disk is smaller than its base",
			fmt.Sprintf("%s has %s, so the disk would be cut off. Leave the size out, or give more.", base, inMegabytes(below)))
	}
	return err
}

// createImage makes a qcow2 file, empty or on top of another. A size of 0 is
// the base's.
func createImage(ctx context.Context, path, base, format string, size int64) error {
	if err := checkImage(ctx, base, format, size); err != nil {
		return err
	}
	arguments := []string{"create", "-q", "-f", "qcow2"}
	if base != "" {
		arguments = append(arguments, "-b", base, "-F", format)
	}
	arguments = append(arguments, path)
	if size != 0 {
		arguments = append(arguments, fmt.Sprint(size))
	}
	if _, err := imageProgram(ctx, arguments...); err != nil {
		return err
	}
	return os.Chmod(path, 0o600)
}

// growImage makes an image larger, which its machine sees at its next start.
func growImage(ctx context.Context, path string, size int64) error {
	have, err := imageSize(ctx, path, "qcow2")
	if err != nil || have >= size {
		return err
	}
	_, err = imageProgram(ctx, "resize", "-q", "-f", "qcow2", path, fmt.Sprint(size))
	return err
}

// imageSize is the size that a machine sees.
func imageSize(ctx context.Context, path, format string) (int64, error) {
	text, err := imageProgram(ctx, "info", "-U", "--output=json", "-f", format, path)
	if err != nil {
		return 0, err
	}
	var info struct {
		Size int64 `json:"virtual-size"`
	}
	if err := json.Unmarshal(text, &info); err != nil {
		return 0, fmt.Errorf("read what qemu-img says of %s: %w", path, err)
	}
	return info.Size, nil
}

// imageProgram runs qemu-img and returns what it printed.
func imageProgram(ctx context.Context, arguments ...string) ([]byte, error) {
	program, err := findProgram("qemu-img")
	if err != nil {
		return nil, err
	}
	var said strings.Builder
	cmd := exec.CommandContext(ctx, program, arguments...)
	cmd.Stderr = &said
	output, err := cmd.Output()
	if err == nil {
		return output, nil
	}
	words := strings.TrimSpace(said.String())
	summary := "A disk cannot be " + map[string]string{"create": "made", "resize": "made larger", "info": "read"}[arguments[0]]
	return nil, sdk.Error(summary, fmt.Sprintf("qemu-img (%v): %s%s", err, words, diskRemedy(words)))
}

// diskRemedy says what to do about what QEMU or qemu-img says of a disk.
func diskRemedy(said string) string {
	switch {
	case strings.Contains(said, "Failed to get") && strings.Contains(said, "lock"):
		return "\nThe disk is in use by a machine that runs: stop that one with nxc stop, or give each a disk of its own (overlay = true, or read_only = true for all)."
	case strings.Contains(said, "Image is not in"):
		return "\nSay which format it has: qcow2 or raw."
	case strings.Contains(said, "No space left on device"):
		return "\nMake room there."
	}
	return ""
}
