"""A session at the keyboard: everything in scope, history, completion."""

from __future__ import annotations

import builtins
import os
import sys
import traceback
from typing import Any, Callable, Dict, List, Optional

from .backend import Backend
from .driver import Driver
from .report import TextReport
from .run import execute
from .script import Script


def interact(
    backend: Backend,
    text: Optional[str],
    file: str,
    lines: Optional[List[int]] = None,
    out: str = ".",
    wait_limit: Optional[float] = None,
    run_first: bool = False,
    history: str = "",
) -> int:
    """Give the user a prompt. test_script() runs the script, when there is one."""
    report = TextReport(sys.stdout)
    script = Script(text, file, lines) if text is not None else None

    def run() -> None:
        assert script is not None
        failure = execute(driver, script, report)
        for line in failure.lines() if failure else ["the test passed"]:
            report.line("error" if failure else "info", line)

    driver = Driver(backend, report, out, wait_limit, run if script is not None else None)
    symbols = driver.test_symbols()
    symbols["__name__"] = "__main__"
    if run_first:
        try:
            run()
        except KeyboardInterrupt:
            print("KeyboardInterrupt")
    print(_banner(driver, script is not None))
    try:
        _session(symbols, history)
    except SystemExit:
        pass
    finally:
        backend.close()
    return 0


def _banner(driver: Driver, script: bool) -> str:
    names = [machine.name for machine in driver.machines]
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    run = "test_script() runs the test. " if script else ""
    return f"{driver.backend.flavour}: {shown}. {run}Ctrl-C ends a wait, Ctrl-D the session."


def _session(symbols: Dict[str, Any], history: str) -> None:
    for start in (_ptpython, _ipython, _plain):
        try:
            start(symbols, history)
            return
        except ImportError:
            continue


def _wanted(name: str) -> None:
    """NXC_DRIVER_SHELL chooses among the shells that are there."""
    chosen = os.environ.get("NXC_DRIVER_SHELL", "")
    if chosen and chosen != name:
        raise ImportError(name)


def _ptpython(symbols: Dict[str, Any], history: str) -> None:
    _wanted("ptpython")
    from ptpython.repl import embed  # type: ignore

    def configure(repl: Any) -> None:
        repl.confirm_exit = False  # as with the others, Ctrl-D ends the session

    embed(symbols, {}, configure=configure, history_filename=history + ".ptpython" if history else None)


def _ipython(symbols: Dict[str, Any], history: str) -> None:
    _wanted("ipython")
    from IPython.terminal.embed import InteractiveShellEmbed  # type: ignore
    from traitlets.config import Config  # type: ignore

    config = Config()
    config.InteractiveShellEmbed.confirm_exit = False
    config.TerminalInteractiveShell.confirm_exit = False
    if history:
        config.HistoryManager.hist_file = history + ".ipython"
    InteractiveShellEmbed(config=config, user_ns=symbols, banner1="")()


def _plain(symbols: Dict[str, Any], history: str) -> None:
    import code

    class Console(code.InteractiveConsole):
        def showtraceback(self) -> None:
            """Without the driver's own frames, which say nothing to the user."""
            kind, error, trace = sys.exc_info()
            ours = os.path.dirname(os.path.abspath(__file__)) + os.sep
            frames = [f for f in traceback.extract_tb(trace)[1:] if not f.filename.startswith(ours)]
            if error is None or len(frames) == len(traceback.extract_tb(trace)) - 1:
                super().showtraceback()
                return
            self.write("".join(traceback.format_list(frames[:1]) + traceback.format_exception_only(kind, error)))

    keep = _readline(symbols, history)
    try:
        Console(symbols).interact(banner="", exitmsg="")
    finally:
        keep()


def _readline(symbols: Dict[str, Any], history: str) -> Callable[[], None]:
    """History and completion; returns what keeps the history."""
    try:
        import readline
        import rlcompleter
    except ImportError:
        return lambda: None
    readline.set_completer(rlcompleter.Completer({**vars(builtins), **symbols}).complete)
    readline.parse_and_bind("tab: complete")
    if history:
        try:
            readline.read_history_file(history)
        except OSError:
            pass

    def keep() -> None:
        if not history:
            return
        readline.set_history_length(2000)
        try:
            readline.write_history_file(history)
        except OSError:
            pass

    return keep
