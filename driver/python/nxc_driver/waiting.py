"""Trying again until it works."""

from __future__ import annotations

import threading
import time
from typing import Any, Callable, Optional

from .errors import Interrupted, RequestedAssertionFailed

#: The longest pause between two tries, and the first one: what is nearly there
#: is not waited for a whole second.
LONGEST, FIRST = 1.0, 0.1


class Patience:
    """How long to wait at most, and whether to stop waiting now."""

    def __init__(self, limit: Optional[float] = None) -> None:
        self.limit = limit
        self.reason = ""
        self._stop = threading.Event()

    def stop(self, reason: str) -> None:
        self.reason = reason
        self._stop.set()

    def resume(self) -> None:
        self._stop.clear()

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()

    def check(self) -> None:
        if self._stop.is_set():
            raise Interrupted(self.reason)

    def sleep(self, seconds: float) -> None:
        self._stop.wait(seconds)
        self.check()

    def bound(self, timeout: Optional[float]) -> Optional[float]:
        """A time-out, cut to the longest that is allowed."""
        if self.limit is None:
            return timeout
        return self.limit if timeout is None else min(timeout, self.limit)

    def retry(
        self,
        fn: Callable[[bool], Any],
        timeout: Optional[float] = 900,
        last: Callable[[], str] = lambda: "",
    ) -> None:
        """Call fn until it returns something true.

        When the time is over, fn is called a last time, with True. If that
        does not help, last() is added to what is said.
        """
        try:
            self._retry(fn, self.bound(timeout), last)
        except Interrupted as e:
            e.args = (f"{e}{last()}",)
            raise

    def _retry(self, fn: Callable[[bool], Any], timeout: Optional[float], last: Callable[[], str]) -> None:
        start = time.monotonic()
        pause = FIRST
        while True:
            self.check()
            if fn(False):
                return
            left = float("inf") if timeout is None else start + timeout - time.monotonic()
            self.sleep(max(0.0, min(pause, left)))
            if left <= pause:
                break
            pause = min(LONGEST, pause * 1.5)
        elapsed = time.monotonic() - start
        if not fn(True):
            raise RequestedAssertionFailed(
                f"action timed out after {elapsed:.2f} seconds (timeout={timeout:g})" + last()
            )
