"""Running a script, and telling how it failed."""

from __future__ import annotations

import linecache
import os
import sys
import traceback
from typing import Any, Dict, List, Optional

from .backend import Backend
from .driver import Driver, variables
from .errors import Interrupted, MachineError, TestScriptError
from .report import Report, TextReport
from .script import Script, symbols_of_driver


class Failure:
    """Why a script ended, and where."""

    def __init__(self, error: BaseException, script: Script, report: Report) -> None:
        self.kind = _kind(error)
        self.type = type(error).__name__
        self.message = _message(error)
        self.steps: List[str] = []
        if report.failed_in is not None and report._failure is not None and _same(report._failure, error):
            self.steps = report.failed_in.path()
        self.frames = _frames(error, script)

    def as_json(self) -> Dict[str, Any]:
        return {
            "kind": self.kind, "type": self.type, "message": self.message,
            "steps": self.steps, "frames": self.frames,
        }  # fmt: skip

    def lines(self) -> List[str]:
        """As text, the way that Python tells it, of the script's own frames."""
        out = ["Traceback (most recent call last):"] if self.frames else []
        for frame in self.frames:
            out.append(f'  File "{frame["file"]}", line {frame["line"]}, in {frame["function"]}')
            if frame["text"]:
                out.append(f"    {frame['text']}")
        out.extend(f"{self.type}: {self.message}".split("\n"))
        return out


def execute(driver: Driver, script: Script, report: Report) -> Optional[Failure]:
    """Run a script to its end. None: it passed."""
    symbols = driver.test_symbols()
    symbols["__name__"] = "__main__"
    symbols["__file__"] = script.file
    folder = os.path.dirname(os.path.abspath(script.file))
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        exec(script.compile(), symbols)
    except SystemExit as e:
        if e.code not in (None, 0):
            return Failure(e, script, report)
    except BaseException as e:
        return Failure(e, script, report)
    return None


def run_script(
    backend: Backend,
    text: str,
    file: str,
    lines: Optional[List[int]] = None,
    out: str = ".",
    wait_limit: Optional[float] = None,
) -> int:
    """Run a script on a backend, with a report as text; return the exit status."""
    script = Script(text, file, lines)
    report = TextReport()
    found = script.problems(variables(backend.names()), symbols_of_driver())
    for problem in found:
        report.line("error", f"{file}:{problem.line}: {problem.summary}. {problem.detail}")
    if found:
        return 1
    driver = Driver(backend, report, out, wait_limit, lambda: None)
    try:
        failure = execute(driver, script, report)
    finally:
        backend.close()
    if failure is None:
        return 0
    for line in failure.lines():
        report.line("error", f"!!! {line}")
    return 130 if failure.kind == "interrupted" else 1


def _kind(error: BaseException) -> str:
    if isinstance(error, (Interrupted, KeyboardInterrupt)):
        return "interrupted"
    if isinstance(error, (TestScriptError, AssertionError, SystemExit)):
        return "failed"
    if isinstance(error, MachineError):
        return "machine"
    return "error"  # of the script's own Python


def _message(error: BaseException) -> str:
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return f"the script ended with sys.exit({error.code})"
    text = str(error)
    if isinstance(error, KeyError) and error.args:
        text = f"no such key: {error.args[0]}" if not str(error.args[0]).startswith("there is") else str(error.args[0])
    if not text and isinstance(error, AssertionError):
        return "an assertion does not hold"
    return text or type(error).__name__


def _same(a: BaseException, b: BaseException) -> bool:
    while b is not None:
        if a is b:
            return True
        b = b.__cause__  # type: ignore[assignment]
    return False


def _frames(error: BaseException, script: Script) -> List[Dict[str, Any]]:
    """The frames of the user's own code, outermost first."""
    ours = os.path.dirname(os.path.abspath(__file__))
    library = os.path.dirname(os.path.abspath(traceback.__file__))
    frames = []
    for frame in traceback.extract_tb(error.__traceback__):
        path = os.path.abspath(frame.filename)
        if path.startswith((ours + os.sep, library + os.sep)) or frame.filename.startswith("<"):
            continue
        text = linecache.getline(frame.filename, frame.lineno or 0).strip()
        frames.append({"file": frame.filename, "line": frame.lineno or 0, "function": frame.name, "text": text})
    return frames
