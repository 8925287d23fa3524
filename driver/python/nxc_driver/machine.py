"""A machine, as scripts see it: commands, files and power.

The other things that a machine can do stand in units.py (systemd and what is
waited for), console.py (serial console and terminals) and screen.py (keyboard,
screen and X11). Names, arguments, defaults and results are those of NixOS.
"""

from __future__ import annotations

import os
import shlex
import threading
import time
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

from .backend import Backend, Completed
from .console import ConsoleMethods
from .errors import MachineError, RequestedAssertionFailed
from .screen import ScreenMethods
from .units import UnitMethods

if TYPE_CHECKING:
    from .driver import Driver

#: Runs a command as NixOS's driver does, by whatever the machine has.
_RUN = "export HOME=/root USER=root DISPLAY=:0.0; cd /tmp 2>/dev/null || cd /; set -euo pipefail; "
_TIMED = 'if command -v timeout >/dev/null; then exec timeout "$0" bash -c "$1"; fi; exec bash -c "$1"'
#: Longer ones do not fit into an argument.
_LONGEST_ARGUMENT = 100_000


class Machine(UnitMethods, ConsoleMethods, ScreenMethods):
    """One machine. Its methods may be called from several threads."""

    def __init__(self, name: str, backend: Backend, driver: "Driver") -> None:
        self.name = name
        self.backend = backend
        self.driver = driver
        self.report = driver.report
        self._last = threading.local()  # .done: what the thread ran here last
        self._console_init()

    def __repr__(self) -> str:
        return f"<Machine '{self.name}'>"

    # ---- what is said

    def log(self, msg: str) -> None:
        """Log a message about this machine."""
        self.report.line("info", str(msg), self.name)

    def nested(self, msg: str, attrs: Dict[str, str] = {}) -> Any:
        """A step of this machine's, for a with statement."""
        return self.report.step("step", msg, self.name)

    # ---- commands

    def execute(
        self,
        command: str,
        check_return: bool = True,
        check_output: bool = True,
        timeout: Optional[float] = 900,
    ) -> Tuple[int, str]:
        """Run a shell command; return its exit status and standard output.

        It runs in bash with `set -euo pipefail`, as root, in /tmp. When the
        timeout is over it is ended, with status 124. With check_return=False
        the status is -1 and a machine that goes away meanwhile is no error;
        with check_output=False nothing is waited for, and the result is
        (-2, "").
        """
        self.driver.check_polling_conditions()
        if not check_output:
            threading.Thread(target=self._quietly, args=(command, timeout), daemon=True).start()
            return (-2, "")
        if not check_return:
            done = self._quietly(command, timeout)
            return (-1, done.stdout.decode(errors="replace") if done else "")
        done = self._run(command, timeout)
        return (done.status, done.stdout.decode(errors="replace"))

    def _run(self, command: str, timeout: Optional[float]) -> Completed:
        timeout = self.driver.patience.bound(timeout)
        argv, stdin = _argv(command, timeout)
        self.driver.patience.check()
        started = time.monotonic()
        # The machine's own clock ends the command; ours ends a machine that hangs.
        done = self.backend.execute(self.name, argv, None if timeout is None else timeout + 10, stdin)
        self._last.done = done
        self.report.ran(self.name, command, done, time.monotonic() - started)
        return done

    def _quietly(self, command: str, timeout: Optional[float]) -> Optional[Completed]:
        try:
            return self._run(command, timeout)
        except MachineError:
            return None

    def _said(self) -> str:
        """What the last command printed, for messages."""
        done = getattr(self._last, "done", None)
        if done is None:
            return ""
        text = ""
        for name, output in (("stdout", done.stdout), ("stderr", done.stderr)):
            if output.strip():
                text += f"\n{name}: {_tail(output)}"
        return text

    def _last_try(self) -> str:
        done = getattr(self._last, "done", None)
        if done is None:
            return ""
        return f"\nlast try: exit code {done.status}{self._said() or ', and it printed nothing'}"

    def succeed(self, *commands: str, timeout: Optional[float] = None) -> str:
        """Run commands that must succeed; return their standard output."""
        output = ""
        for command in commands:
            with self.nested(f"must succeed: {command}"):
                status, out = self.execute(command, timeout=timeout)
                if status != 0:
                    raise RequestedAssertionFailed(
                        f"command `{command}` failed (exit code {status}){self._said()}"
                    )
                output += out
        return output

    def fail(self, *commands: str, timeout: Optional[float] = None) -> str:
        """Run commands that must fail; return their standard output."""
        output = ""
        for command in commands:
            with self.nested(f"must fail: {command}"):
                status, out = self.execute(command, timeout=timeout)
                if status == 0:
                    raise RequestedAssertionFailed(
                        f"command `{command}` unexpectedly succeeded{self._said()}"
                    )
                output += out
        return output

    def wait_until_succeeds(self, command: str, timeout: float = 900) -> str:
        """Run a command again and again until it succeeds; return its output."""
        return self._until(command, timeout, "success", lambda status: status == 0)

    def wait_until_fails(self, command: str, timeout: float = 900) -> str:
        """Run a command again and again until it fails; return its output."""
        return self._until(command, timeout, "failure", lambda status: status != 0)

    def _until(self, command: str, timeout: float, what: str, good: Any) -> str:
        output = ""

        def check(_last: bool) -> bool:
            nonlocal output
            status, output = self.execute(command, timeout=timeout)
            return bool(good(status))

        with self.nested(f"waiting for {what}: {command}"):
            self._retry(check, timeout)
        return output

    def _retry(self, check: Any, timeout: Optional[float], last: Any = None) -> None:
        self.driver.patience.retry(check, timeout, last or self._last_try)

    def sleep(self, secs: float) -> None:
        """Sleep, by the machine's own clock."""
        self.succeed(f"sleep {secs}")

    # ---- power

    def start(self, allow_reboot: bool = False) -> None:
        """Start the machine, if it is not up."""
        with self.nested("starting"):
            self.backend.power(self.name, "start")

    def shutdown(self) -> None:
        """Shut the machine down, and wait until it is."""
        with self.nested("shutting down"):
            self.backend.power(self.name, "stop")

    def crash(self) -> None:
        """Take the power away, without a word to the system."""
        with self.nested("forced crash"):
            self.backend.power(self.name, "crash")

    def reboot(self) -> None:
        """Shut down and start again, as Ctrl+Alt+Delete does."""
        with self.nested("rebooting"):
            self.backend.power(self.name, "stop")
            self.backend.power(self.name, "start")

    def is_up(self) -> bool:
        """Whether the machine takes commands."""
        return self.backend.is_up(self.name)

    def wait_for_shutdown(self) -> None:
        """Wait until the machine is down. This does not shut it down."""
        with self.nested("waiting for the machine to power off"):
            self._retry(lambda _last: self.backend.wait_down(self.name), None, lambda: "")

    def connect(self) -> None:
        """Wait until the machine takes commands."""
        with self.nested("waiting for the machine to finish booting"):
            self.backend.power(self.name, "start")
            self._retry(lambda _last: self.is_up(), None, lambda: "")

    def wait_for_connection(self) -> None:
        self.connect()

    def switch_root(self) -> None:
        """Go from the first stage of the boot to the second."""
        self.wait_for_unit("initrd.target")
        self.execute(
            "systemctl isolate --no-block initrd-switch-root.target 2>/dev/null >/dev/null",
            check_return=False,
        )
        self.connect()

    # ---- network

    def block(self) -> None:
        """Unplug the machine from the other machines. The script still reaches it."""
        with self.nested("unplugging the network"):
            self.backend.link(self.name, False)

    def unblock(self) -> None:
        """Plug it in again."""
        with self.nested("plugging the network in"):
            self.backend.link(self.name, True)

    def forward_port(self, host_port: int = 8080, guest_port: int = 80) -> None:
        """Lead a TCP port of the host to one of the machine."""
        with self.nested(f"leading port {host_port} of the host to port {guest_port}"):
            self.backend.forward(self.name, int(host_port), int(guest_port))

    # ---- files

    def copy_from_host(self, source: str, target: str) -> None:
        """Copy a file or folder of the host to the machine, as target."""
        source = self._host_file(source)
        with self.nested(f"copying {source} to {target}"):
            self.backend.copy_in(self.name, source, str(target))

    def copy_from_host_via_shell(self, source: str, target: str) -> None:
        """Copy a file of the host to the machine, as target, through a shell."""
        source, target = self._host_file(source), str(target)
        with self.nested(f"copying {source} to {target} through the shell"):
            with open(source, "rb") as file:
                content = file.read()
            folder = shlex.quote(os.path.dirname(target) or ".")
            done = self.backend.execute(
                self.name,
                ["bash", "-c", f"mkdir -p {folder} && cat > {shlex.quote(target)}"],
                stdin=content,
            )
            if done.status != 0:
                raise RequestedAssertionFailed(f"cannot write {target}: {_tail(done.stderr)}")

    def copy_from_machine(self, source: str, target_dir: str = "") -> None:
        """Copy a file or folder of the machine into the test's results."""
        source = str(source).rstrip("/")
        folder = os.path.join(self.driver.out_dir, target_dir)
        os.makedirs(folder, exist_ok=True)
        target = os.path.join(folder, os.path.basename(source))
        with self.nested(f"copying {source} to {target}"):
            self.backend.copy_out(self.name, source, target)

    def copy_from_vm(self, source: str, target_dir: str = "") -> None:
        """The older name of copy_from_machine."""
        self.copy_from_machine(source, target_dir)

    def _host_file(self, source: str) -> str:
        path = os.path.abspath(str(source))
        if not os.path.exists(path):
            raise RequestedAssertionFailed(f"there is no {path} on the host")
        return path

    # ---- terminals, for interactive sessions

    def shell_interact(self, address: Optional[str] = None) -> None:
        """A shell on the machine, in this terminal."""
        self.backend.interact(self.name, "shell")

    def console_interact(self) -> None:
        """The machine's console, in this terminal."""
        self.backend.interact(self.name, "console")


def _argv(command: str, timeout: Optional[float]) -> Tuple[List[str], bytes]:
    script, stdin = _RUN + command, b""
    if len(script) > _LONGEST_ARGUMENT:
        script, stdin = 'eval "$(cat)"', script.encode()
    if timeout is None:
        return ["bash", "-c", script], stdin
    return ["bash", "-c", _TIMED, f"{timeout:g}", script], stdin


def _tail(output: bytes, lines: int = 20) -> str:
    """The last lines of an output, on one line when there is only one."""
    text = output[-16_384:].decode(errors="replace").rstrip("\n")
    parts = text.split("\n")
    if len(parts) == 1 and len(output) <= 16_384:
        return parts[0]
    cut = "" if len(parts) <= lines else f"(the last {lines} lines)\n"
    return "\n" + cut + "\n".join(parts[-lines:])
