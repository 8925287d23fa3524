"""Keyboard, screen and X11 of a machine."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import tempfile
import time
import zlib
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Optional

from .backend import Backend
from .errors import MachineError, NotPossible

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
                out.write(png_of(picture))

    @contextmanager
    def _screen(self) -> Iterator[bytes]:
        """The screen, as the PPM picture that QEMU makes."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "screen.ppm")
            said = self.backend.monitor(self.name, f"screendump {path}")
            for _ in range(50):  # the file is written a moment after the answer
                if os.path.exists(path) and os.path.getsize(path) > 0:
                    break
                time.sleep(0.05)
            if not os.path.exists(path):
                raise MachineError(f"{self.name} gave no picture of its screen: {said.strip()}")
            with open(path, "rb") as file:
                yield file.read()

    # ---- what is written on the screen

    def get_screen_text_variants(self) -> List[str]:
        """What is written on the screen, read in several ways."""
        return [self._read("3"), self._read("11")]

    def get_screen_text(self) -> str:
        """What is written on the screen."""
        return self._read("3")

    def _read(self, mode: str) -> str:
        program = shutil.which("tesseract")
        with self._screen() as picture:
            if program is None:
                raise NotPossible("reading a screen needs tesseract on this machine: install tesseract-ocr")
            done = subprocess.run(
                [program, "-", "-", "--oem", "1", "--psm", mode],
                input=png_of(picture), stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
            )  # fmt: skip
        if done.returncode != 0:
            raise MachineError(f"tesseract failed: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode(errors="replace")

    def wait_for_text(self, regex: str, timeout: float = 900) -> None:
        """Wait until the screen shows a text."""
        texts: List[str] = []

        def shown(_last: bool) -> bool:
            nonlocal texts
            texts = self.get_screen_text_variants()
            return any(re.search(regex, text) for text in texts)

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


def png_of(ppm: bytes) -> bytes:
    """A PPM picture (P6, eight bits) as PNG."""
    header = re.match(rb"P6\s+(?:#.*\n)*(\d+)\s+(\d+)\s+255\s", ppm)
    if header is None:
        raise MachineError("the picture of the screen is no PPM picture")
    width, height = int(header[1]), int(header[2])
    pixels = ppm[header.end() :]
    rows = b"".join(b"\0" + pixels[y * width * 3 : (y + 1) * width * 3] for y in range(height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts: Dict[bytes, bytes] = {b"IHDR": head, b"IDAT": zlib.compress(rows), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in parts.items())
