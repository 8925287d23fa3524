"""What scripts ask of systemd, and what they wait for on a machine."""

from __future__ import annotations

import re
import shlex
from typing import Any, Callable, Dict, Optional, Tuple

from .errors import RequestedAssertionFailed

_PROPERTY = re.compile(r"^([^=]+)=(.*)$")

#: Looks among the sockets that the kernel knows for a listening one that is
#: this file; type 1 is a stream, 2 are datagrams.
_UNIX_SOCKET = """test -S {path}; while read -r _ _ _ flags type _ _ file; do
  if [ "$type" = {type} ] && [ -n "$file" ] && [ "$file" -ef {path} ]; then
    if [ {type} = 0002 ] || [ "$((16#$flags & 16#10000))" != 0 ]; then exit 0; fi
  fi
done < /proc/net/unix; exit 1"""


class NoAnswer(RequestedAssertionFailed):
    """systemd did not answer in time. On a busy machine it may a moment later."""


class UnitMethods:
    """Mixed into Machine."""

    name: str
    execute: Any
    nested: Any
    _retry: Any
    _said: Any
    _last_try: Any
    _last: Any

    # ---- systemd

    def systemctl(self, q: str, user: Optional[str] = None) -> Tuple[int, str]:
        """Run systemctl, of the system or of a user."""
        if user is not None:
            inner = f"XDG_RUNTIME_DIR=/run/user/$(id -u) systemctl --user {q}"
            return self.execute(f"su -l {shlex.quote(user)} --shell /bin/sh -c {shlex.quote(inner)}")
        return self.execute(f"systemctl {q}")

    def start_job(self, jobname: str, user: Optional[str] = None) -> Tuple[int, str]:
        """Start a unit."""
        return self.systemctl(f"start {jobname}", user)

    def stop_job(self, jobname: str, user: Optional[str] = None) -> Tuple[int, str]:
        """Stop a unit."""
        return self.systemctl(f"stop {jobname}", user)

    def get_unit_info(self, unit: str, user: Optional[str] = None) -> Dict[str, str]:
        """All properties of a unit."""
        return self._show(unit, "", user)

    def get_unit_property(self, unit: str, property: str, user: Optional[str] = None) -> str:
        """One property of a unit."""
        found = self._show(unit, property, user)
        if property not in found:
            raise RequestedAssertionFailed(f'unit "{unit}" has no property "{property}"')
        return found[property]

    def _show(self, unit: str, property: str, user: Optional[str]) -> Dict[str, str]:
        only = f" --property={shlex.quote(property)}" if property else ""
        status, lines = self.systemctl(f"--no-pager show {shlex.quote(unit)}{only}", user)
        if status != 0:
            of = "" if user is None else f' under user "{user}"'
            silent = b"timed out" in self._last.done.stderr
            raise (NoAnswer if silent else RequestedAssertionFailed)(
                f'retrieving systemctl info for unit "{unit}"{of} failed with exit code {status}{self._said()}'
            )
        matches = (_PROPERTY.match(line) for line in lines.split("\n"))
        return {m[1]: m[2] for m in matches if m}

    def require_unit_state(self, unit: str, require_state: str = "active") -> None:
        """Assert that a unit is in a state."""
        with self.nested(f"checking if unit '{unit}' has reached state '{require_state}'"):
            state = self.get_unit_property(unit, "ActiveState")
            if state != require_state:
                raise RequestedAssertionFailed(
                    f"Expected unit '{unit}' to be in state '{require_state}' but it is in state '{state}'"
                )

    def wait_for_unit(self, unit: str, user: Optional[str] = None, timeout: float = 900) -> None:
        """Wait until a unit is active; fail at once when it cannot become so."""
        state = ""

        def active(_last: bool) -> bool:
            nonlocal state
            state = self.get_unit_property(unit, "ActiveState", user)
            if state == "failed":
                raise RequestedAssertionFailed(f'unit "{unit}" reached state "{state}"{self._why(unit, user)}')
            if state == "inactive":
                _, jobs = self.systemctl("list-jobs --full 2>&1", user)
                if "No jobs" in jobs:
                    info = self.get_unit_info(unit, user)
                    if info["ActiveState"] == state:
                        known = "" if info.get("LoadState") != "not-found" else ": there is no such unit"
                        raise RequestedAssertionFailed(
                            f'unit "{unit}" is inactive and there are no pending jobs{known}'
                        )
            return state == "active"

        of = f" with user {user}" if user is not None else ""
        with self.nested(f"waiting for unit {unit}{of}"):
            self._retry(_patient(active), timeout, lambda: f"\nlast try: unit {unit} is {state}")

    def wait_until_unit_stops(self, unit: str, user: Optional[str] = None, timeout: float = 900) -> None:
        """Wait until a unit is inactive or failed."""
        state = ""

        def stopped(_last: bool) -> bool:
            nonlocal state
            state = self.get_unit_property(unit, "ActiveState", user)
            return state in ("inactive", "failed")

        with self.nested(f"waiting for unit {unit} to stop"):
            self._retry(_patient(stopped), timeout, lambda: f"\nlast try: unit {unit} is {state}")

    def _why(self, unit: str, user: Optional[str]) -> str:
        """What a failed unit said last."""
        _, text = self.systemctl(f"--no-pager --full --lines=10 status {shlex.quote(unit)} 2>&1 || true", user)
        return "\n" + text.rstrip("\n") if text.strip() else ""

    # ---- files and ports

    def wait_for_file(self, filename: str, timeout: float = 900) -> None:
        """Wait until a file exists."""
        with self.nested(f"waiting for file '{filename}'"):
            self._wait(f"test -e {filename}", True, timeout)

    def wait_for_open_port(self, port: int, addr: str = "localhost", timeout: float = 900) -> None:
        """Wait until something listens on a TCP port."""
        with self.nested(f"waiting for TCP port {port} on {addr}"):
            self._wait(_connect(port, addr), True, timeout, 5)

    def wait_for_closed_port(self, port: int, addr: str = "localhost", timeout: float = 900) -> None:
        """Wait until nothing listens on a TCP port."""
        with self.nested(f"waiting for TCP port {port} on {addr} to be closed"):
            self._wait(_connect(port, addr), False, timeout, 5)

    def wait_for_open_unix_socket(self, addr: str, is_datagram: bool = False, timeout: float = 900) -> None:
        """Wait until something listens on a UNIX-domain socket."""
        kind = "datagram" if is_datagram else "stream"
        command = _UNIX_SOCKET.format(path=shlex.quote(addr), type="0002" if is_datagram else "0001")
        with self.nested(f"waiting for UNIX-domain {kind} on '{addr}'"):
            self._wait(command, True, timeout)

    def _wait(self, command: str, success: bool, timeout: float, each: float = 60) -> None:
        """Wait until a command succeeds, or fails; each try has its own time."""

        def check(_last: bool) -> bool:
            status, _ = self.execute(command, timeout=min(each, timeout))
            return (status == 0) == success

        self._retry(check, timeout)


def _patient(check: Callable[[bool], bool]) -> Callable[[bool], bool]:
    """The same check, for which no answer is not the last word."""

    def again(last: bool) -> bool:
        try:
            return check(last)
        except NoAnswer:
            if last:
                raise
            return False

    return again


def _connect(port: int, addr: str) -> str:
    """A command that connects to a port, by bash alone."""
    return f"exec 3<>{shlex.quote(f'/dev/tcp/{addr}/{int(port)}')}"
