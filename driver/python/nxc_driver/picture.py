"""A picture of a screen, in the form in which QEMU writes it (PPM, P6)."""

from __future__ import annotations

import re
import struct
import zlib
from typing import Optional

from .errors import MachineError

_HEADER = re.compile(rb"P6\s+(?:#.*\n)*(\d+)\s+(\d+)\s+255\s")
_INVERTED = bytes(range(255, -1, -1))

#: Letters of a text console are too small for reading.
_ENLARGED = 3


class Picture:
    def __init__(self, ppm: bytes) -> None:
        header = _HEADER.match(ppm)
        if header is None:
            raise MachineError("the picture of the screen is no PPM picture")
        self.width, self.height = int(header[1]), int(header[2])
        self.pixels = ppm[header.end() :]

    @staticmethod
    def complete(ppm: bytes) -> bool:
        """Whether all of a picture is there: it may still be written."""
        header: Optional["re.Match[bytes]"] = _HEADER.match(ppm)
        return header is not None and len(ppm) - header.end() >= int(header[1]) * int(header[2]) * 3

    def png(self) -> bytes:
        """The picture, as PNG."""
        rows = bytearray()
        for y in range(self.height):
            rows += b"\0" + self.pixels[y * self.width * 3 : (y + 1) * self.width * 3]
        return _png(self.width, self.height, 2, bytes(rows))

    def for_reading(self) -> bytes:
        """A PNG for who reads letters: grey, dark on light, and larger."""
        grey = bytes(map(max, self.pixels[0::3], self.pixels[1::3], self.pixels[2::3]))
        if sum(grey) < 128 * len(grey):
            grey = grey.translate(_INVERTED)
        width = self.width * _ENLARGED
        rows = bytearray()
        for y in range(self.height):
            row = bytearray(width)
            for i in range(_ENLARGED):
                row[i::_ENLARGED] = grey[y * self.width : (y + 1) * self.width]
            rows += (b"\0" + row) * _ENLARGED
        return _png(width, self.height * _ENLARGED, 0, bytes(rows))


def _png(width: int, height: int, color: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data
