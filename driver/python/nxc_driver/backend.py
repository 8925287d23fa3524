"""What a way to reach machines has to offer."""

from __future__ import annotations

from typing import List, NamedTuple, Optional, Tuple

from .errors import NotPossible


class Completed(NamedTuple):
    """A program that ended, or was ended because its time was over (124)."""

    status: int
    stdout: bytes
    stderr: bytes


class Backend:
    """How machines are reached. Methods are called from many threads at once.

    A machine that is down, or that does not answer, is a MachineError; what
    the flavour cannot do at all is NotPossible, which is what every method
    here says until it is overridden.
    """

    #: Names the deployment in messages, such as "webserver::docker".
    flavour = "this flavour"

    def names(self) -> List[str]:
        """The machines' names, in the order in which scripts see them."""
        raise NotImplementedError

    def execute(
        self,
        node: str,
        argv: List[str],
        timeout: Optional[float] = None,
        stdin: bytes = b"",
    ) -> Completed:
        """Run a program as root and wait for it.

        When timeout seconds are over the program is ended, and the status is
        124, with what it printed until then.
        """
        raise self._cannot("run programs")

    def copy_in(self, node: str, source: str, target: str) -> None:
        """Copy a file or folder of the host to the machine, as target."""
        raise self._cannot("copy files to a machine")

    def copy_out(self, node: str, source: str, target: str) -> None:
        """Copy a file or folder of the machine to the host, as target."""
        raise self._cannot("copy files from a machine")

    def power(self, node: str, action: str) -> None:
        """Do "start", "stop", "crash" or "reset", and wait until it is done.

        Starting what runs and stopping what is down is not an error. After
        start and reset the machine takes commands, or a later execute waits
        until it does.
        """
        raise self._cannot("switch machines")

    def is_up(self, node: str) -> bool:
        """Whether the machine takes commands. Never waits long."""
        try:
            return self.execute(node, ["true"], timeout=5).status == 0
        except NotPossible:
            raise
        except Exception:
            return False

    def wait_down(self, node: str) -> bool:
        """Whether the machine is down by now. It is called again and again."""
        return not self.is_up(node)

    def console(self, node: str, offset: int) -> Tuple[bytes, int]:
        """What the console said since offset, and the offset behind it.

        Offset 0 is the machine's first start. It does not wait for more.
        """
        raise self._cannot("show consoles")

    def type(self, node: str, data: bytes) -> None:
        """Type on the console."""
        raise self._cannot("type on consoles")

    def link(self, node: str, up: bool) -> None:
        """Plug the network in, or out. Commands still reach the machine."""
        raise self._cannot("unplug networks")

    def forward(self, node: str, host_port: int, guest_port: int) -> None:
        """Lead a TCP port of the host's 127.0.0.1 to one of the machine."""
        raise self._cannot("forward ports")

    def monitor(self, node: str, command: str) -> str:
        """Tell QEMU's monitor a command in its own words."""
        raise self._cannot("speak to a QEMU monitor: it has none")

    def interact(self, node: str, what: str) -> None:
        """Connect the terminal with the machine's "shell" or "console"."""
        raise self._cannot("give a terminal to a machine")

    def serial_stdout(self, on: bool) -> None:
        """Whether to print consoles as they are written."""

    def interrupt(self) -> None:
        """Make every call that is under way raise Interrupted."""

    def close(self) -> None:
        """Leave the machines."""

    def _cannot(self, what: str) -> NotPossible:
        return NotPossible(f"{self.flavour} cannot {what}")
