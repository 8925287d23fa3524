package qemu

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/nixos-compose/nxc/plugins/sdk"
	"github.com/nixos-compose/nxc/plugins/sdk/record"
	"github.com/nixos-compose/nxc/plugins/sdk/sshnode"
	"github.com/nixos-compose/nxc/providers/qemu/lan"
)

// uuidOf is the -uuid of a machine, by which its process is known.
func uuidOf(id string) string {
	sum := sha256.Sum256([]byte("nxc machine " + id))
	h := hex.EncodeToString(sum[:16])
	return fmt.Sprintf("%s-%s-4%s-8%s-%s", h[:8], h[8:12], h[13:16], h[17:20], h[20:32])
}

// start starts a machine and waits until it answers. What emulators do now and
// then, crash before the machine has said a word or leave its interface deaf,
// gets a second try.
func (m machines) start(ctx context.Context, op sdk.Operation, have *Machine) error {
	release, err := m.reserve(have)
	if err != nil {
		return err
	}
	defer release()
	err = m.startOnce(ctx, op, have)
	var failed passing
	if errors.As(err, &failed) && ctx.Err() == nil {
		op.Note("Started once more: " + failed.why)
		if err := m.crash(ctx, have); err != nil {
			return err
		}
		err = m.startOnce(ctx, op, have)
	}
	return err
}

func (m machines) startOnce(ctx context.Context, op sdk.Operation, have *Machine) error {
	if err := m.settle(have.ID, m.folderOf(kindMachine, have.ID)); err != nil {
		return err
	}
	op.Phase("starting the machine (" + have.Accelerator + ")")
	if err := m.plugIn(ctx, have, false); err != nil {
		return err
	}
	if err := m.launch(ctx, have); err != nil {
		return err
	}
	have.Running, have.Trouble = true, ""
	return m.awaitReady(ctx, op, have)
}

// launch starts QEMU and waits until it answers its control socket.
func (m machines) launch(ctx context.Context, have *Machine) error {
	program, err := findProgram(m.program)
	if err != nil {
		return err
	}
	dir := m.folderOf(kindMachine, have.ID)
	if _, err := os.Stat(m.inProject(have.Kernel)); err != nil {
		return unreadable("kernel", err)
	}
	initrd, err := assemble(dir, m.inProject(have.Initrd))
	if err != nil {
		return err
	}
	defer os.Remove(initrd) // QEMU has it open by then
	if err := m.prepareDisks(ctx, dir, have); err != nil {
		return err
	}
	arguments, err := m.arguments(have, dir, initrd)
	if err != nil {
		return err
	}
	for _, file := range []string{qemuLog, serialFile} { // before QEMU makes them readable for all
		f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		f.Close()
	}
	log, err := os.OpenFile(filepath.Join(dir, qemuLog), os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(program, arguments...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	if err := sdk.Detach(cmd); err != nil {
		return err
	}
	if err := record.Replace(filepath.Join(dir, bootedFile), m.booting(have)); err != nil {
		return err
	}
	if err := m.awaitQEMU(ctx, have, cmd.Process.Pid); err != nil {
		return err
	}
	m.arrive(have.ID)
	return m.closeSockets(ctx, have, cmd.Process.Pid)
}

// unreadable is about a file that the machine boots from.
func unreadable(attribute string, err error) error {
	detail := err.Error() + "."
	if strings.Contains(detail, "/nix/store/") {
		detail += " Was it collected as garbage? nxc apply builds it again."
	}
	return sdk.AttributeError(attribute, fmt.Sprintf("The %s cannot be read", attribute), detail)
}

// closeSockets keeps others from a machine's sockets, which stand in a folder
// that is closed to them, too. QEMU makes those of its interfaces in a thread of
// its own, so that they may come after it answers.
func (m machines) closeSockets(ctx context.Context, have *Machine, process int) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for _, what := range sockets(have) {
		path, err := m.socket(have.ID, what)
		if err != nil {
			return err
		}
		err = os.Chmod(path, 0o600)
		for errors.Is(err, fs.ErrNotExist) && ctx.Err() == nil && names(process, "-uuid", have.UUID) {
			time.Sleep(10 * time.Millisecond)
			err = os.Chmod(path, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// assemble writes the initrd with the machine's context behind it. The kernel
// reads a second archive only at a multiple of four.
func assemble(dir, base string) (string, error) {
	from, err := os.Open(base)
	if err != nil {
		return "", unreadable("initrd", err)
	}
	defer from.Close()
	path := filepath.Join(dir, initrdFile)
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return "", err
	}
	size, err := io.Copy(to, from)
	if err == nil {
		_, err = to.Write(make([]byte, sshnode.Padding(size)))
	}
	if err == nil {
		err = appendContext(to, dir)
	}
	if err = errors.Join(err, to.Close()); err != nil {
		os.Remove(path)
		return "", fmt.Errorf("write the machine's initrd: %w", err)
	}
	return path, nil
}

// arguments is QEMU's command line.
func (m machines) arguments(have *Machine, dir, initrd string) ([]string, error) {
	memory, err := memoryBytes(have.Memory)
	if err != nil {
		return nil, err
	}
	control, err := m.socket(have.ID, "q")
	if err != nil {
		return nil, err
	}
	serial, err := m.socket(have.ID, "s")
	if err != nil {
		return nil, err
	}
	machine := have.MachineType
	if machine == "" {
		machine = "q35"
		if processor() == "aarch64" {
			machine = "virt"
		}
	}
	a := []string{
		"-name", "guest=" + escape(have.Name) + ",debug-threads=off",
		"-uuid", have.UUID,
		"-machine", machine, "-accel", have.Accelerator, "-cpu", model(have.Accelerator),
		"-m", fmt.Sprintf("%dK", memory>>10), "-smp", fmt.Sprint(max(have.VCPUs, 1)),
		"-nodefaults", "-no-user-config", "-display", "none",
		"-chardev", "socket,id=qmp,server=on,wait=off,path=" + escape(control), "-mon", "chardev=qmp,mode=control",
		"-chardev", "socket,id=serial,server=on,wait=off,path=" + escape(serial) + ",logfile=" + escape(filepath.Join(dir, serialFile)) + ",logappend=off",
		"-serial", "chardev:serial",
		"-device", "virtio-rng-pci",
		"-kernel", m.inProject(have.Kernel), "-initrd", initrd, "-append", commandLine(have),
	}
	if processor() == "x86_64" && machine != "microvm" {
		a = append(a, "-vga", "std") // what a screenshot shows
	}
	for i, nic := range have.interfaces() {
		address, err := netip.ParseAddr(nic.IP)
		if err != nil {
			return nil, fmt.Errorf("address of interface %d: %w", i, err)
		}
		socket, err := m.socket(have.ID, fmt.Sprint(i))
		if err != nil {
			return nil, err
		}
		a = append(a,
			"-netdev", fmt.Sprintf("stream,id=net%d,server=on,addr.type=unix,addr.path=%s", i, escape(socket)),
			"-device", fmt.Sprintf("virtio-net-pci,netdev=net%d,mac=%s,romfile=", i, lan.MAC(address)))
	}
	a = append(a, m.driveArguments(have, dir)...)
	for i, s := range have.Shares {
		a = append(a, "-virtfs", fmt.Sprintf("local,id=share%d,path=%s,mount_tag=%s,security_model=none,readonly=%s,multidevs=remap",
			i, escape(m.inProject(s.Source)), escape(s.Tag), onOff(s.ReadOnly)))
	}
	return append(a, have.Arguments...), nil
}

// model is the processor that a machine sees: this one, or all that QEMU can
// emulate, but for what makes emulation slow. With la57 every walk through the page
// tables is longer, and with erms Linux clears and copies memory byte by byte: a
// machine boots in five sixths of the time without.
func model(accelerator string) string {
	switch {
	case accelerator == "kvm":
		return "host"
	case processor() == "x86_64":
		return "max,la57=off,erms=off"
	}
	return "max"
}

// commandLine is the kernel's: what the machine asks for, and the console that
// nxc reads.
func commandLine(have *Machine) string {
	console := "ttyS0"
	if processor() == "aarch64" {
		console = "ttyAMA0"
	}
	params := []string{"console=" + console, "net.ifnames=0", "systemd.gpt_auto=0", "systemd.show_status=yes"}
	if have.Accelerator == "tcg" {
		// An emulated processor has nothing to mitigate, and a console that is
		// written to letter by letter is dear.
		params = append(params, "mitigations=off", "tsc=reliable", "no_timer_check", "loglevel=4")
	}
	return strings.Join(append(params, have.KernelParams...), " ")
}

// escape writes a value into one of QEMU's lists, where a comma separates.
func escape(value string) string { return strings.ReplaceAll(value, ",", ",,") }

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}
