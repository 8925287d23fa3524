"""Machines of QEMU that the driver itself starts, as in a NixOS test.

    python3 -m nxc_driver.qemu DESCRIPTION SCRIPT [--interactive]

The description is JSON, made by the library's machine/test.nix. Inside a Nix
build there is nothing else: no nxc, no network of the host, no ssh.
"""

from __future__ import annotations

import io
import json
import linecache
import os
import shlex
import shutil
import sys
import tarfile
import tempfile
import threading
from typing import Any, Dict, List, Optional, Tuple

from .backend import Backend, Completed
from .errors import MachineError
from .interactive import interact
from .qemu_machine import Virtual
from .qemu_switch import Switch
from .run import run_script

#: How long a machine may take to boot, for a command that has no limit itself.
_BOOT = 900.0


class QemuBackend(Backend):
    """All machines of a description."""

    flavour = "a test's machine"

    def __init__(self, plan: Dict[str, Any]) -> None:
        self.plan = plan
        self.folder = tempfile.mkdtemp(prefix="nxc-")
        self.switch = Switch(self.folder)
        self._machines: Dict[str, Virtual] = {}
        for index, machine in enumerate(plan["machines"]):
            network = self.switch.plug(machine["name"])
            self._machines[machine["name"]] = Virtual(plan, machine, index, self.folder, network)

    def names(self) -> List[str]:
        return list(self._machines)

    def execute(self, node: str, argv: List[str], timeout: Optional[float] = None, stdin: bytes = b"") -> Completed:
        machine = self._machines[node]
        if not machine.runs():
            machine.start()  # as NixOS's driver does
        shell = machine.shell
        if shell is None:
            raise MachineError(f"{node} does not run")
        if not shell.ready.is_set():
            shell.run("true", b"", _BOOT)  # a command's time begins when the machine is up
        return shell.run("exec " + " ".join(shlex.quote(word) for word in argv), stdin, timeout)

    def copy_in(self, node: str, source: str, target: str) -> None:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            tar.add(source, arcname=os.path.basename(target.rstrip("/")), filter=_root)
        folder = os.path.dirname(target.rstrip("/")) or "/"
        self._must(node, f"mkdir -p {shlex.quote(folder)} && tar -x -C {shlex.quote(folder)}", packed.getvalue())

    def copy_out(self, node: str, source: str, target: str) -> None:
        folder, name = os.path.split(source.rstrip("/"))
        done = self._must(node, f"tar -c -h -C {shlex.quote(folder or '/')} {shlex.quote(name)}", b"")
        with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(target))) as scratch:
            with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
                tar.extractall(scratch)
            if os.path.isdir(target):
                shutil.rmtree(target)
            os.replace(os.path.join(scratch, name), target)

    def _must(self, node: str, command: str, stdin: bytes) -> Completed:
        done = self.execute(node, ["bash", "-c", command], None, stdin)
        if done.status != 0:
            raise MachineError(f"{node}: {done.stderr.decode(errors='replace').strip()}")
        return done

    def power(self, node: str, action: str) -> None:
        machine = self._machines[node]
        if action in ("stop", "crash"):
            machine.stop() if action == "stop" else machine.crash()
            return
        if action == "reset":
            machine.crash()
        machine.start()

    def is_up(self, node: str) -> bool:
        machine = self._machines[node]
        shell = machine.shell
        return machine.runs() and shell is not None and shell.ready.is_set()

    def wait_down(self, node: str) -> bool:
        return not self._machines[node].runs()

    def console(self, node: str, offset: int) -> Tuple[bytes, int]:
        with open(self._machines[node].serial, "rb") as file:
            file.seek(offset)
            said = file.read()
        return said, offset + len(said)

    def type(self, node: str, data: bytes) -> None:
        self._machines[node].type(data)

    def link(self, node: str, up: bool) -> None:
        self.switch.set_link(node, up)

    def forward(self, node: str, host_port: int, guest_port: int) -> None:
        if not self.plan.get("outside"):
            raise self._cannot("forward ports: a build has no network outside")
        said = self.monitor(node, f"hostfwd_add host tcp:127.0.0.1:{host_port}-:{guest_port}")
        if said.strip():
            raise MachineError(f"{node}: {said.strip()}")

    def monitor(self, node: str, command: str) -> str:
        return self._machines[node].monitor(command)

    def interact(self, node: str, what: str) -> None:
        if not sys.stdin.isatty():
            raise self._cannot("give a terminal to a machine: there is none here")
        print(f"{node}: Ctrl-D leaves.")
        (self._sit_at_shell if what == "shell" else self._sit_at_console)(node)

    def _sit_at_shell(self, node: str) -> None:
        """Run what is typed, line by line, each in the folder of the last."""
        folder = "/root"
        while True:
            try:
                line = input(f"{node}:{folder}# ")
            except (EOFError, KeyboardInterrupt):
                print()
                return
            script = f"cd {shlex.quote(folder)}; trap 'pwd >&3' EXIT; {{ {line}\n}} 2>&1"
            kept = f"/run/nxc-shell/folder-{os.getpid()}"
            done = self.execute(node, ["bash", "-c", f"exec bash -lc {shlex.quote(script)} 3>{kept}"])
            print(done.stdout.decode(errors="replace"), end="", flush=True)
            folder = self.execute(node, ["cat", kept]).stdout.decode(errors="replace").strip() or folder

    def _sit_at_console(self, node: str) -> None:
        """Show what the console says, and type on it, line by line."""
        said, offset = self.console(node, 0)
        print(said[-2000:].decode(errors="replace"))
        over = threading.Event()

        def show() -> None:
            at = offset
            while not over.wait(0.1):
                text, at = self.console(node, at)
                print(text.decode(errors="replace"), end="", flush=True)

        watching = threading.Thread(target=show, daemon=True)
        watching.start()
        try:
            while True:
                self.type(node, (input() + "\n").encode())
        except (EOFError, KeyboardInterrupt):
            pass
        finally:
            over.set()
            watching.join()

    def interrupt(self) -> None:
        for machine in self._machines.values():
            if machine.shell is not None:
                machine.shell.interrupt()

    def close(self) -> None:
        """End the machines. What they said can still be read."""
        for machine in self._machines.values():
            machine.crash()
        self.switch.close()

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def save(self, out: str) -> None:
        """Keep the consoles with the results."""
        os.makedirs(out, exist_ok=True)
        for name, machine in self._machines.items():
            shutil.copyfile(machine.serial, os.path.join(out, f"{name}.log"))

    def last_words(self, lines: int = 12) -> None:
        """Print the ends of the consoles, of which a failed build keeps nothing."""
        for name, machine in self._machines.items():
            if machine.process is None:
                continue
            with open(machine.serial, "r", errors="replace") as file:
                said = [line.rstrip() for line in file if line.strip()]
            print(f"{name}: the console's last lines:", file=sys.stderr)
            for line in said[-lines:]:
                print(f"{name} # {line}", file=sys.stderr)
        sys.stderr.flush()


def _root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


def main(arguments: List[str]) -> int:
    interactive = "--interactive" in arguments
    words = [word for word in arguments if word != "--interactive"]
    if len(words) < 2:
        print("usage: nixos-test-driver [--interactive] [SCRIPT]", file=sys.stderr)
        return 2
    with open(words[0]) as file:
        plan = json.load(file)
    with open(words[-1]) as file:
        text = file.read()
    # A traceback shows the script's lines.
    linecache.cache["testScript"] = (len(text), None, text.splitlines(True), "testScript")
    # In a build's sandbox nobody outside could reach a port.
    plan["outside"] = "NIX_BUILD_TOP" not in os.environ
    if "NXC_TEST_SESSION" in os.environ:
        with open(os.environ["NXC_TEST_SESSION"]) as file:
            plan["told"] = {name: machine["files"] for name, machine in json.load(file)["machines"].items()}
    out = os.environ.get("out", "")
    backend = QemuBackend(plan)
    try:
        if interactive:
            return interact(backend, text, "testScript", out=out or ".")
        status = run_script(backend, text, "testScript", out=out or ".")
        if status == 0 and out:
            backend.save(out)
        elif status != 0:
            backend.last_words()
        return status
    finally:
        backend.remove()


if __name__ == "__main__":
    exit_status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_status)
