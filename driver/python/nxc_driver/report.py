"""What a test does, as it does it: a tree of steps, and lines between them."""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Optional


class Step:
    """One step of a test: a subtest, or something done to a machine."""

    def __init__(self, number: int, parent: Optional["Step"], kind: str, text: str, node: str):
        self.number = number
        self.parent = parent
        self.kind = kind
        self.text = text
        self.node = node
        self.started = time.monotonic()

    def path(self) -> List[str]:
        """The texts from the outermost step to this one."""
        above = self.parent.path() if self.parent else []
        return above + [f"{self.node}: {self.text}" if self.node else self.text]


class Report:
    """Keeps the tree of steps, a branch for each thread. Subclasses show it."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._here = threading.local()
        self.failed_in: Optional[Step] = None  # innermost step of the last failure
        self._failure: Optional[BaseException] = None

    @property
    def current(self) -> Optional[Step]:
        return getattr(self._here, "step", None)

    def adopt(self, step: Optional[Step]) -> None:
        """Let this thread's steps stand below another thread's."""
        self._here.step = step

    @contextmanager
    def step(self, kind: str, text: str, node: str = "") -> Iterator[None]:
        step = Step(next(self._numbers), self.current, kind, text, node)
        self._here.step = step
        self.begin(step)
        failed: Optional[BaseException] = None
        try:
            yield
        except BaseException as e:
            failed = e
            if e is not self._failure:
                self._failure, self.failed_in = e, step
            raise
        finally:
            self._here.step = step.parent
            self.end(step, time.monotonic() - step.started, failed)

    def begin(self, step: Step) -> None:
        """A step begins."""

    def end(self, step: Step, elapsed: float, failed: Optional[BaseException]) -> None:
        """A step ended; failed is the exception that ended it."""

    def line(self, level: str, text: str, node: str = "") -> None:
        """A line of the script's own: debug, info, warning or error."""

    def ran(self, node: str, command: str, done: Any, elapsed: float) -> None:
        """A command ran; done is a Completed."""


class TextReport(Report):
    """Writes the steps as lines, as NixOS's driver does."""

    def __init__(self, out: Any = None, color: Optional[bool] = None) -> None:
        super().__init__()
        self.out = out if out is not None else sys.stderr
        self.color = _colors(self.out) if color is None else color
        self._lock = threading.Lock()
        self._complaints: Dict[str, bytes] = {}  # a wait's tries need not repeat theirs

    def _say(self, text: str, node: str = "", style: str = "") -> None:
        prefix = f"{node}: " if node else ""
        if self.color and style:
            text = f"\x1b[{style}m{text}\x1b[0m"
        with self._lock:
            print(prefix + text, file=self.out, flush=True)

    def begin(self, step: Step) -> None:
        text = f"subtest: {step.text}" if step.kind == "subtest" else step.text
        self._say(_short(text), step.node, "1;32")

    def end(self, step: Step, elapsed: float, failed: Optional[BaseException]) -> None:
        word = "failed" if failed is not None else "finished"
        self._say(f"({word}: {_short(step.text)}, in {elapsed:.2f} seconds)", step.node, "2")

    def line(self, level: str, text: str, node: str = "") -> None:
        self._say(text, node, {"error": "31", "warning": "33"}.get(level, ""))

    def ran(self, node: str, command: str, done: Any, elapsed: float) -> None:
        repeated = self._complaints.get(node) == done.stderr
        self._complaints[node] = done.stderr
        if done.stderr and not repeated:
            self._say(done.stderr.decode(errors="replace").rstrip("\n"), node, "2")


def _short(text: str) -> str:
    return text if len(text) <= 1000 else text[:1000] + "…"


def _colors(out: Any) -> bool:
    return out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class Log:
    """What scripts know as `log`."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def log(self, message: str, attributes: Dict[str, str] = {}) -> None:
        self._report.line("info", str(message), attributes.get("machine", ""))

    def debug(self, *args: Any, **kwargs: Any) -> None:
        self._report.line("debug", str(args[0]), kwargs.get("machine", ""))

    def info(self, *args: Any, **kwargs: Any) -> None:
        self._report.line("info", str(args[0]), kwargs.get("machine", ""))

    def warning(self, *args: Any, **kwargs: Any) -> None:
        self._report.line("warning", str(args[0]), kwargs.get("machine", ""))

    def error(self, *args: Any, **kwargs: Any) -> None:
        """Log an error and end the test, as NixOS's driver does."""
        self._report.line("error", str(args[0]), kwargs.get("machine", ""))
        raise SystemExit(str(args[0]))

    def log_test_error(self, *args: Any, **kwargs: Any) -> None:
        self._report.line("error", str(args[0]), kwargs.get("machine", ""))

    def log_serial(self, message: str, machine: str) -> None:
        self._report.line("debug", message, machine)

    def nested(self, message: str, attributes: Dict[str, str] = {}) -> Any:
        return self._report.step("step", str(message), attributes.get("machine", ""))

    def subtest(self, name: str, attributes: Dict[str, str] = {}) -> Any:
        return self._report.step("subtest", str(name))

    def print_serial_logs(self, enable: bool) -> None:
        """Kept for scripts that say it; serial_stdout_on and _off decide."""
