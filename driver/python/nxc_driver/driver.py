"""The names that a script finds in scope, and what is done with all machines."""

from __future__ import annotations

import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, Iterable, List, Optional

from .backend import Backend
from .errors import NotPossible, RequestedAssertionFailed
from .machine import Machine
from .report import Log, Report
from .waiting import Patience


def pythonize_name(name: str) -> str:
    """A machine's name as a variable: what is no letter, digit or _ becomes _."""
    return re.sub(r"^[^A-Za-z_]|[^A-Za-z0-9_]", "_", name)


def variables(names: Iterable[str]) -> Dict[str, str]:
    """The variables that stand for machines.

    A role with one node has a node without a number, and grows one with the
    second: server1 is server too while it is the only one, and client is
    client1, so that a script need not know how many there are. A single
    machine is also called machine.
    """
    names = list(names)
    found = {pythonize_name(name): name for name in names}
    for name in names:
        first = re.match(r"^(.*[^0-9])1$", name)
        if first is None:
            found.setdefault(pythonize_name(name + "1"), name)
        elif not any(re.match(re.escape(first[1]) + "[0-9]+$", other) for other in names if other != name):
            found.setdefault(pythonize_name(first[1]), name)
    if len(names) == 1:
        found.setdefault("machine", names[0])
    return found


class Machines(list):  # type: ignore[type-arg]
    """The machines in their order; machines["client1"] is one by its name."""

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            for machine in self:
                if machine.name == key:
                    return machine
            names = ", ".join(machine.name for machine in self)
            raise KeyError(f"there is no machine {key!r}; there are {names}")
        return super().__getitem__(key)


class Debug:
    """What scripts know as `debug`: a session at a breakpoint is nxc driver's."""

    def breakpoint(self, *args: Any, **kwargs: Any) -> None:
        """Go on: a test has nobody at the keyboard."""


class Driver:
    """All machines of a deployment."""

    def __init__(
        self,
        backend: Backend,
        report: Report,
        out_dir: str = ".",
        wait_limit: Optional[float] = None,
        script: Optional[Callable[[], None]] = None,
    ) -> None:
        self.backend = backend
        self.report = report
        self.out_dir = out_dir
        self.logger = Log(report)
        self.patience = Patience(wait_limit)
        self.machines = Machines(Machine(name, backend, self) for name in backend.names())
        self.machines_qemu = self.machines
        self.machines_nspawn: List[Machine] = []
        self.vlans: List[Any] = []
        self.polling_conditions: List["_Condition"] = []
        self._script = script
        self._polling = threading.local()

    # ---- what scripts see

    def test_symbols(self) -> Dict[str, Any]:
        """Everything that a script finds in scope."""
        by_name = {machine.name: machine for machine in self.machines}
        general: Dict[str, Any] = {
            "start_all": self.start_all,
            "join_all": self.join_all,
            "test_script": self.test_script,
            "run_tests": self.run_tests,
            "machines": self.machines,
            "machines_qemu": self.machines_qemu,
            "machines_nspawn": self.machines_nspawn,
            "vlans": self.vlans,
            "driver": self,
            "log": self.logger,
            "os": os,
            "create_machine": self.create_machine,
            "subtest": self.subtest,
            "retry": self.retry,
            "serial_stdout_off": self.serial_stdout_off,
            "serial_stdout_on": self.serial_stdout_on,
            "polling_condition": self.polling_condition,
            "Machine": Machine,
            "BaseMachine": Machine,
            "t": _assertions(),
            "debug": Debug(),
        }
        return {**general, **{v: by_name[name] for v, name in variables(by_name).items()}}

    def subtest(self, name: str) -> Any:
        """A named part of the test, for a with statement."""
        return self.report.step("subtest", str(name))

    def retry(
        self,
        fn: Callable[[bool], Any],
        timeout_seconds: float = 900,
        timeout: Optional[float] = None,
    ) -> None:
        """Call fn until it returns True. It is given whether it is the last try."""
        self.patience.retry(fn, timeout_seconds if timeout is None else timeout)

    # ---- all machines

    def parallel(
        self,
        fn: Callable[[Machine], Any],
        machines: Optional[Iterable[Machine]] = None,
        limit: int = 64,
    ) -> List[Any]:
        """Call fn with each machine, many at one time; return the results in order.

        All calls end before this does. When some failed, the first failure is
        raised, and says how many there were.
        """
        chosen = list(self.machines if machines is None else machines)
        above = self.report.current

        def one(machine: Machine) -> Any:
            self.report.adopt(above)
            return fn(machine)

        if not chosen:
            return []
        pool = ThreadPoolExecutor(max_workers=max(1, min(limit, len(chosen))))
        futures = [pool.submit(one, machine) for machine in chosen]
        try:
            failures = [e for e in (future.exception() for future in futures) if e is not None]
        except BaseException as e:  # Ctrl-C: the others have to end too
            for future in futures:
                future.cancel()
            self.patience.stop(str(e) or "interrupted")
            self.backend.interrupt()
            pool.shutdown(wait=True)
            self.patience.resume()
            raise
        pool.shutdown(wait=True)
        if len(failures) > 1 and type(failures[0]) is RequestedAssertionFailed:
            first = RequestedAssertionFailed(f"{failures[0]}\n({len(failures)} of {len(chosen)} machines failed)")
            raise first from failures[0]
        if failures:
            raise failures[0]
        return [future.result() for future in futures]

    def start_all(self) -> None:
        """Start all machines, at one time."""
        with self.report.step("step", "start all machines"):
            self.parallel(lambda machine: machine.start())

    def join_all(self) -> None:
        """Wait for all machines to shut down."""
        with self.report.step("step", "wait for all machines to finish"):
            self.parallel(lambda machine: machine.wait_for_shutdown())

    def create_machine(self, *args: Any, **kwargs: Any) -> Machine:
        raise NotPossible("machines come from the composition here: add a role, or a node to a role")

    def test_script(self) -> None:
        """Run the script."""
        if self._script is None:
            raise NotPossible("there is no script: name one, such as nxc driver test.py")
        self._script()

    def run_tests(self) -> None:
        """Run the script, and flush the machines' disks."""
        self.test_script()
        self.parallel(lambda machine: machine.execute("sync") if machine.is_up() else None)

    def serial_stdout_on(self) -> None:
        """Show consoles as they are written."""
        self.backend.serial_stdout(True)

    def serial_stdout_off(self) -> None:
        """Do not show consoles."""
        self.backend.serial_stdout(False)

    # ---- conditions that must hold all the time

    def polling_condition(
        self,
        fun_: Optional[Callable[[], Any]] = None,
        *,
        seconds_interval: float = 2.0,
        description: Optional[str] = None,
    ) -> Any:
        """A condition that is looked at again and again while a with statement runs."""

        def make(fun: Callable[[], Any]) -> "_Condition":
            return _Condition(self, fun, seconds_interval, description)

        return make if fun_ is None else make(fun_)

    def check_polling_conditions(self) -> None:
        if getattr(self._polling, "busy", False):
            return  # a condition may run commands itself
        self._polling.busy = True
        try:
            for condition in list(self.polling_conditions):
                condition.maybe_raise()
        finally:
            self._polling.busy = False


class _Condition:
    def __init__(self, driver: Driver, fun: Callable[[], Any], interval: float, description: Optional[str]) -> None:
        self.driver = driver
        self.fun = fun
        self.interval = interval
        self.description = description or (fun.__doc__ or "").strip() or fun.__name__
        self.looked = 0.0

    def check(self) -> bool:
        self.looked = time.monotonic()
        try:
            found = self.fun()
        except Exception:
            return False
        return found is None or bool(found)

    def maybe_raise(self) -> None:
        if time.monotonic() - self.looked >= self.interval and not self.check():
            raise RequestedAssertionFailed(f"polling condition failed: {self.description}")

    def __enter__(self) -> None:
        self.driver.polling_conditions.append(self)

    def __exit__(self, *_: Any) -> None:
        self.driver.polling_conditions.remove(self)

    def wait(self, timeout: float = 900) -> None:
        with self.driver.report.step("step", f"waiting for {self.description}"):
            self.driver.retry(lambda _last: self.check(), timeout)


def _assertions() -> Any:
    """unittest's assertions, as the t of a script. Importing them takes time."""

    class Lazy:
        def __getattr__(self, name: str) -> Any:
            import unittest

            class Assertions(unittest.TestCase):
                failureException = RequestedAssertionFailed
                maxDiff = None

            return getattr(Assertions(), name)

        def __dir__(self) -> List[str]:
            import unittest

            return [name for name in dir(unittest.TestCase) if name.startswith("assert")]

    return Lazy()
