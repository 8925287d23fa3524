"""Keyboard, screen and X11 of a machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from typing import Any, Iterator, List, Optional

from .backend import Backend
from .errors import MachineError, NotPossible
from .picture import Picture

_SHIFTED = dict(zip('!@#$%^&*()_+{}:"|<>?~', "1234567890-=[];'\\,./`"))
_NAMED = {
    "-": "minus", "=": "equal", "[": "bracket_left", "]": "bracket_right", ";": "semicolon",
    "'": "apostrophe", "\\": "backslash", ",": "comma", ".": "dot", "/": "slash",
    "`": "grave_accent", " ": "spc", "\n": "ret", "\t": "tab",
}  # fmt: skip


def key_of(char: str) -> str:
    """The name of the key, in QEMU's words, that types a character."""
    if char in _SHIFTED:
        return "shift-" + key_of(_SHIFTED[char])
    if len(char) == 1 and char.isalpha() and char.isupper():
        return "shift-" + char.lower()
    return _NAMED.get(char, char)


class ScreenMethods:
    """Mixed into Machine."""

    name: str
    backend: Backend
    driver: Any
    execute: Any
    succeed: Any
    nested: Any
    _retry: Any

    def send_monitor_command(self, command: str) -> str:
        """Tell QEMU's monitor a command; return what it answers."""
        self.driver.check_polling_conditions()
        return self.backend.monitor(self.name, command)

    def send_key(self, key: str, delay: Optional[float] = 0.01, log: Optional[bool] = True) -> None:
        """Press a key, such as "ctrl-alt-delete"."""
        if log:
            with self.nested(f"sending key {key!r}"):
                self.backend.monitor(self.name, f"sendkey {key_of(key)}")
        else:
            self.backend.monitor(self.name, f"sendkey {key_of(key)}")
        if delay is not None:
            time.sleep(delay)

    def send_chars(self, chars: str, delay: Optional[float] = 0.01) -> None:
        """Type a text on the keyboard."""
        with self.nested(f"sending keys {chars!r}"):
            for char in chars:
                self.send_key(char, delay, log=False)

    def screenshot(self, filename: str) -> None:
        """Keep a picture of the screen, as PNG, among the test's results."""
        if "." not in filename:
            filename += ".png"
        if "/" not in filename:
            os.makedirs(self.driver.out_dir, exist_ok=True)
            filename = os.path.join(self.driver.out_dir, filename)
        with self.nested(f"making screenshot {filename}"):
            with self._screen() as picture, open(filename, "wb") as out:
                out.write(picture.png())

    @contextmanager
    def _screen(self) -> Iterator[Picture]:
        """The screen, as QEMU sees it."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "screen.ppm")
            said = self.backend.monitor(self.name, f"screendump {path}").strip()
            picture = b""
            for _ in range(100):  # the file may be written a moment after the answer
                if os.path.exists(path):
                    with open(path, "rb") as file:
                        picture = file.read()
                if said or Picture.complete(picture):
                    break
                time.sleep(0.05)
            if said or not Picture.complete(picture):
                raise MachineError(f"{self.name} gave no picture of its screen: {said or 'QEMU wrote none'}")
            yield Picture(picture)

    # ---- what is written on the screen

    def get_screen_text_variants(self) -> List[str]:
        """What is written on the screen, read in several ways."""
        return list(self._readings())

    def _readings(self) -> Iterator[str]:
        program = self._reader()
        with self._screen() as picture:
            yield self._read(program, picture.png(), "3")
            yield self._read(program, picture.for_reading(), "6")
            yield self._read(program, picture.for_reading(), "11")

    def get_screen_text(self) -> str:
        """What is written on the screen."""
        program = self._reader()
        with self._screen() as picture:
            return self._read(program, picture.png(), "3")

    def _reader(self) -> str:
        program = shutil.which("tesseract")
        if program is None:
            raise NotPossible("reading a screen needs tesseract on this machine: install tesseract-ocr")
        return program

    def _read(self, program: str, picture: bytes, mode: str) -> str:
        done = subprocess.run(
            [program, "-", "-", "--oem", "1", "--psm", mode, "-c", "debug_file=/dev/null"],
            input=picture, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        )  # fmt: skip
        if done.returncode != 0:
            raise MachineError(f"tesseract failed: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode(errors="replace")

    def wait_for_text(self, regex: str, timeout: float = 900) -> None:
        """Wait until the screen shows a text."""
        texts: List[str] = []

        def shown(_last: bool) -> bool:
            texts.clear()
            for text in self._readings():
                texts.append(text)
                if re.search(regex, text):
                    return True
            return False

        with self.nested(f"waiting for {regex} to appear on screen"):
            self._retry(shown, timeout, lambda: f"\nthe screen shows: {texts}")

    # ---- X11

    def wait_for_x(self, timeout: float = 900) -> None:
        """Wait until there is an X server and a session."""

        def up(_last: bool) -> bool:
            status, _ = self.execute(
                'journalctl -b SYSLOG_IDENTIFIER=systemd | grep "Reached target Current graphical"'
            )
            return status == 0 and self.execute("[ -e /tmp/.X11-unix/X0 ]")[0] == 0

        with self.nested("waiting for the X11 server"):
            self._retry(up, timeout)

    def get_window_names(self) -> List[str]:
        """The names of the X11 windows."""
        tree = self.succeed("xwininfo -root -tree")
        return re.findall(r'0x[0-9a-f]+ "([^"]*)"', tree)

    def wait_for_window(self, regexp: str, timeout: float = 900) -> None:
        """Wait until an X11 window has a name that matches."""
        pattern = re.compile(regexp)
        names: List[str] = []

        def visible(_last: bool) -> bool:
            nonlocal names
            names = self.get_window_names()
            return any(pattern.search(name) for name in names)

        with self.nested("waiting for a window to appear"):
            self._retry(visible, timeout, lambda: f"\nthe windows are: {', '.join(names)}")
