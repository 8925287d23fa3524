"""The serial console and the virtual terminals of a machine."""

from __future__ import annotations

import re
import shlex
import threading
from typing import Any, Optional

from .backend import Backend
from .errors import NotPossible


class ConsoleMethods:
    """Mixed into Machine."""

    name: str
    backend: Backend
    driver: Any
    execute: Any
    nested: Any
    log: Any
    _retry: Any

    def _console_init(self) -> None:
        self._console_lock = threading.Lock()
        self._console_read = 0  # up to where wait_for_console_text has read

    def get_console_log(self) -> str:
        """All that the console said since the machine's first start."""
        return _plain(self.backend.console(self.name, 0)[0])

    def wait_for_console_text(self, regex: str, timeout: Optional[float] = None) -> None:
        """Wait until the console says something that was not waited for before."""
        pattern = re.compile(regex)
        seen = ""

        def said(_last: bool) -> bool:
            nonlocal seen
            with self._console_lock:
                text, self._console_read = self.backend.console(self.name, self._console_read)
                seen += _plain(text)
            return pattern.search(seen) is not None

        def last() -> str:
            lines = seen.rstrip("\n").split("\n")[-10:]
            return "\nthe console said last:\n" + "\n".join(lines)

        with self.nested(f"waiting for {regex} to appear on console"):
            self._retry(said, timeout, last)

    def send_console(self, chars: str) -> None:
        """Type on the serial console."""
        with self.nested(f"typing {chars!r} on the console"):
            self.backend.type(self.name, chars.encode())

    def get_tty_text(self, tty: str) -> str:
        """What a virtual terminal shows."""
        device = shlex.quote(f"/dev/vcs{tty}")
        status, output = self.execute(
            f"test -c {device} || exit 44; "
            f"fold -w$(stty -F /dev/tty{tty} size | awk '{{print $2}}') {device}"
        )
        if status == 44:
            raise NotPossible(
                f"{self.name} has no virtual terminal {tty}: {self.backend.flavour} gives it no screen"
            )
        return output

    def dump_tty_contents(self, tty: str) -> None:
        """Write what a virtual terminal shows to the machine's journal."""
        self.get_tty_text(tty)
        self.execute(f"fold -w 80 /dev/vcs{tty} | systemd-cat")

    def wait_until_tty_matches(self, tty: str, regexp: str, timeout: float = 900) -> None:
        """Wait until what a virtual terminal shows matches."""
        pattern = re.compile(regexp)
        text = ""

        def matches(_last: bool) -> bool:
            nonlocal text
            text = self.get_tty_text(tty)
            return pattern.search(text) is not None

        with self.nested(f"waiting for {regexp} to appear on tty {tty}"):
            self._retry(matches, timeout, lambda: f"\nTTY{tty} shows:\n{text.rstrip()}")


def _plain(text: bytes) -> str:
    return text.decode(errors="replace").replace("\r", "")
