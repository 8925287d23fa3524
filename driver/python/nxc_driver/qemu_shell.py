"""Commands for a machine that has no network: a channel of its own.

A service of the machine (see the library's machine/shell.nix) reads requests
from a virtio port: a line "ID SIZE SIZE" and then the bytes of a script and of
its standard input. Each runs on its own, and is answered by "ID STATUS SIZE
SIZE" and what it printed on its two streams. "hello" begins a boot.
"""

from __future__ import annotations

import itertools
import socket
import threading
import time
from typing import Dict, Optional

from .backend import Completed
from .errors import Interrupted, MachineError


class _Call:
    def __init__(self) -> None:
        self.done = threading.Event()
        self.result: Optional[Completed] = None
        self.error: Optional[BaseException] = None


class Shell:
    """The host's end of a machine's channel, for one run of its QEMU."""

    def __init__(self, name: str, connection: socket.socket) -> None:
        self.name = name
        self._connection = connection
        self._numbers = itertools.count(1)
        self._calls: Dict[int, _Call] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self.ready = threading.Event()
        self.ended = False
        threading.Thread(target=self._read, name=f"shell of {name}", daemon=True).start()

    def run(self, script: str, stdin: bytes, timeout: Optional[float]) -> Completed:
        """Run a script. The machine may still be on its way up."""
        limit = None if timeout is None else time.monotonic() + timeout
        call = _Call()
        with self._lock:
            if self.ended:
                raise MachineError(f"{self.name} does not run")
            number = next(self._numbers)
            self._calls[number] = call
        try:
            while not self.ready.wait(0.2):
                if call.done.is_set():
                    break
                if limit is not None and time.monotonic() > limit:
                    raise MachineError(f"{self.name} has not booted within {timeout:g} seconds; its console says why")
            if not call.done.is_set():
                body = script.encode()
                with self._writing:
                    self._connection.sendall(b"%d %d %d\n%s%s" % (number, len(body), len(stdin), body, stdin))
                call.done.wait(None if limit is None else max(0.0, limit - time.monotonic()))
        except OSError as e:
            raise MachineError(f"{self.name} does not answer: {e}") from e
        finally:
            with self._lock:
                self._calls.pop(number, None)
        if call.error is not None:
            raise call.error
        return call.result or Completed(124, b"", b"")

    def interrupt(self) -> None:
        self._fail(lambda: Interrupted("interrupted"))

    def close(self) -> None:
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _fail(self, error) -> None:  # type: ignore[no-untyped-def]
        with self._lock:
            calls, self._calls = self._calls, {}
        for call in calls.values():
            call.error = error()
            call.done.set()

    def _read(self) -> None:
        try:
            with self._connection.makefile("rb") as stream:
                for line in stream:
                    self._answer(line.split(), stream)
        except (OSError, ValueError):
            pass
        with self._lock:
            self.ended = True
        self._fail(lambda: MachineError(f"{self.name} went down"))

    def _answer(self, words, stream) -> None:  # type: ignore[no-untyped-def]
        if words == [b"hello"]:
            if self.ready.is_set():
                self._fail(lambda: MachineError(f"{self.name} rebooted"))
            self.ready.set()
        elif len(words) == 4:
            number, status, out, err = (int(word) for word in words)
            result = Completed(status, stream.read(out), stream.read(err))
            with self._lock:
                call = self._calls.pop(number, None)
            if call is not None:
                call.result = result
                call.done.set()
