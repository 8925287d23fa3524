"""The backend that nxc serves: JSON lines over a socket.

Python asks with {"id", "call", …}, and nxc answers {"id", "ok"} or {"id",
"error", "kind"}, in any order. {"cancel": id} gives a call up. Events go to
nxc as {"event": …}, and the end as {"done": …}. nxc may say {"stop": reason}
at any time.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import signal
import socket
import sys
import threading
import time
from typing import Any, Dict, List, Optional, Set, Tuple

from .backend import Backend, Completed
from .driver import Driver, variables
from .errors import Interrupted, MachineError, NotPossible
from .interactive import interact
from .report import Report, Step
from .run import execute
from .script import Script, symbols_of_driver


class Wire:
    """The socket to nxc, shared by all threads."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._lines = connection.makefile("rb")
        self._sending = threading.Lock()
        self._numbers = itertools.count(1)
        self._pending: Dict[int, "_Call"] = {}
        self._guard = threading.Lock()
        self.stopped = ""
        self.on_stop = lambda reason: None

    def receive(self) -> Dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise EOFError
        return json.loads(line)

    def send(self, message: Dict[str, Any]) -> None:
        data = json.dumps(message).encode() + b"\n"
        with self._sending:
            self._socket.sendall(data)

    def serve(self) -> None:
        """Hand answers to those who wait for them, until nxc is gone."""
        while True:
            try:
                message = self.receive()
            except (EOFError, OSError, ValueError):
                self.abandon()
            if "stop" in message:
                self.stopped = message["stop"]
                self.give_up(self.stopped)
                self.on_stop(self.stopped)
                continue
            with self._guard:
                call = self._pending.pop(message["id"], None)
            if call is not None:
                call.answer = message
                call.done.set()

    def abandon(self) -> None:
        """nxc died: nobody is left to tell, and what the script started ends too."""
        if os.getpgrp() == os.getpid():  # nxc made the group for the script
            os.killpg(os.getpid(), signal.SIGKILL)
        os._exit(1)

    def call(self, **request: Any) -> Dict[str, Any]:
        if self.stopped:
            raise Interrupted(self.stopped)
        number = next(self._numbers)
        call = _Call()
        with self._guard:
            self._pending[number] = call
        try:
            self.send({"id": number, **request})
            call.done.wait()
        except BaseException:  # Ctrl-C: what nobody waits for need not go on
            with self._guard:
                self._pending.pop(number, None)
            self.send({"cancel": number})
            raise
        answer = call.answer
        if "error" not in answer:
            return answer.get("ok") or {}
        kind = answer.get("kind", "")
        if kind == "interrupted":
            raise Interrupted(answer["error"])
        raise (NotPossible if kind == "not_possible" else MachineError)(answer["error"])

    def give_up(self, reason: str) -> None:
        """Answer every call that is under way."""
        with self._guard:
            calls, self._pending = self._pending, {}
        for number, call in calls.items():
            call.answer = {"error": reason, "kind": "interrupted"}
            call.done.set()
            self.send({"cancel": number})


class _Call:
    def __init__(self) -> None:
        self.done = threading.Event()
        self.answer: Dict[str, Any] = {}


class WireBackend(Backend):
    """Has nxc do everything."""

    def __init__(self, wire: Wire, flavour: str, names: List[str]) -> None:
        self.wire = wire
        self.flavour = flavour
        self._names = names
        self._off: Set[str] = set()  # switched off by the script
        self._silent: Dict[str, float] = {}  # since when a machine answers no more

    def names(self) -> List[str]:
        return self._names

    def execute(
        self, node: str, argv: List[str], timeout: Optional[float] = None, stdin: bytes = b""
    ) -> Completed:
        request: Dict[str, Any] = {"call": "execute", "node": node, "argv": argv}
        if timeout is not None:
            request["timeout"] = timeout
        if stdin:
            request["stdin"] = base64.b64encode(stdin).decode()
        done = self.wire.call(**request)
        return Completed(done["status"], _bytes(done, "stdout"), _bytes(done, "stderr"))

    def copy_in(self, node: str, source: str, target: str) -> None:
        self.wire.call(call="copy_in", node=node, source=source, target=target)

    def copy_out(self, node: str, source: str, target: str) -> None:
        self.wire.call(call="copy_out", node=node, source=source, target=target)

    def power(self, node: str, action: str) -> None:
        self._off.discard(node)
        self.wire.call(call="power", node=node, action=action)
        if action in ("stop", "crash"):
            self._off.add(node)

    def is_up(self, node: str) -> bool:
        return bool(self.wire.call(call="is_up", node=node)["up"])

    def wait_down(self, node: str) -> bool:
        if node in self._off:
            return True
        if self.is_up(node):
            self._silent.pop(node, None)
            return False
        # A system that shuts down is silent before it is down, and takes it ill
        # to be told so again: give it time, and then wait for the rest.
        if time.monotonic() - self._silent.setdefault(node, time.monotonic()) < 3:
            return False
        self.power(node, "stop")
        return True

    def console(self, node: str, offset: int) -> Tuple[bytes, int]:
        text = _bytes(self.wire.call(call="console", node=node, offset=offset), "text")
        return text, offset + len(text)

    def type(self, node: str, data: bytes) -> None:
        self.wire.call(call="type", node=node, stdin=base64.b64encode(data).decode())

    def link(self, node: str, up: bool) -> None:
        self.wire.call(call="link", node=node, up=up)

    def forward(self, node: str, host_port: int, guest_port: int) -> None:
        self.wire.call(call="forward", node=node, host_port=host_port, guest_port=guest_port)

    def monitor(self, node: str, command: str) -> str:
        return str(self.wire.call(call="monitor", node=node, command=command).get("said", ""))

    def interact(self, node: str, what: str) -> None:
        self.wire.call(call="interact", node=node, what=what)

    def serial_stdout(self, on: bool) -> None:
        self.wire.call(call="serial", up=on)

    def interrupt(self) -> None:
        self.wire.give_up("interrupted")


class WireReport(Report):
    """Tells nxc what happens."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    def _event(self, kind: str, **what: Any) -> None:
        self._wire.send({"event": {"kind": kind, **what}})

    def begin(self, step: Step) -> None:
        self._event("begin", id=step.number, parent=step.parent.number if step.parent else 0,
                    what=step.kind, text=step.text, node=step.node)  # fmt: skip

    def end(self, step: Step, elapsed: float, failed: Optional[BaseException]) -> None:
        self._event("end", id=step.number, elapsed=elapsed, failed=failed is not None,
                    error=str(failed) if failed is not None else "")  # fmt: skip

    def line(self, level: str, text: str, node: str = "") -> None:
        step = self.current
        self._event("line", level=level, text=text, node=node, parent=step.number if step else 0)

    def ran(self, node: str, command: str, done: Completed, elapsed: float) -> None:
        """nxc has seen it itself."""


def _bytes(answer: Dict[str, Any], name: str) -> bytes:
    return base64.b64decode(answer.get(name) or "")


def main(descriptor: int) -> int:
    wire = Wire(socket.socket(fileno=descriptor))
    job = wire.receive()
    given = job.get("script")
    script = Script(given["text"], given["file"], given.get("lines")) if given else None
    names = job.get("nodes", [])
    if job["mode"] == "check":
        assert script is not None
        found = script.problems(variables(names), symbols_of_driver())
        wire.send({"done": {"problems": [p._asdict() for p in found]}})
        return 0
    threading.Thread(target=wire.serve, daemon=True).start()
    backend = WireBackend(wire, job["flavour"], names)
    if job["mode"] == "interactive":
        text, file, lines = (script.text, script.file, script.lines) if script else (None, "", None)
        return interact(backend, text, file, lines, job["out"], job.get("wait_limit"),
                        job.get("run_first", False), job.get("history", ""))  # fmt: skip
    assert script is not None
    report = WireReport(wire)
    driver = Driver(backend, report, job["out"], job.get("wait_limit"), lambda: None)
    main_thread = threading.main_thread().ident

    def tell(reason: str) -> None:
        driver.patience.stop(reason)
        signal.pthread_kill(main_thread, signal.SIGINT)  # wherever it is

    def stop(*_: Any) -> None:
        raise Interrupted(wire.stopped or "interrupted")

    wire.on_stop = tell
    signal.signal(signal.SIGINT, stop)
    wire.send({"event": {"kind": "ready"}})  # from here on the script's time counts
    failure = execute(driver, script, report)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdout.flush()
    sys.stderr.flush()
    wire.send({"done": {"failure": failure.as_json() if failure else None}})
    return 0
