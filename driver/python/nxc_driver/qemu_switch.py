"""The network between machines that one driver started: a switch in memory.

QEMU's stream sockets carry each frame behind its length. A frame goes to the
port where its address was last seen, and to all ports when nobody knows it.
No network of the host takes part, so a build's sandbox is enough.
"""

from __future__ import annotations

import os
import selectors
import socket
import struct
import threading
from typing import Dict, Optional

#: What a port may have waiting. More is dropped, as a wire does.
_QUEUE = 4 << 20


class Port:
    """One machine's plug."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.up = True
        self.received = b""
        self.waiting = bytearray()
        self.connection: Optional[socket.socket] = None


class Switch:
    """Connects the ports of all machines, in a thread of its own."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._selector = selectors.DefaultSelector()
        self._ports: Dict[str, Port] = {}
        self._seen: Dict[bytes, Port] = {}
        self._wake, wake = socket.socketpair()
        self._selector.register(wake, selectors.EVENT_READ, lambda _events: wake.recv(64))
        self._lock = threading.Lock()
        self._closed = False
        threading.Thread(target=self._run, name="switch", daemon=True).start()

    def plug(self, name: str) -> str:
        """The socket that a machine's QEMU is to connect to."""
        path = os.path.join(self.folder, f"n{len(self._ports)}")
        port = Port(name)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        with self._lock:
            self._ports[name] = port
            self._selector.register(listener, selectors.EVENT_READ, lambda _events: self._accept(port, listener))
        self._wake.send(b"x")
        return path

    def set_link(self, name: str, up: bool) -> None:
        self._ports[name].up = up

    def close(self) -> None:
        self._closed = True
        self._wake.send(b"x")

    def _run(self) -> None:
        while not self._closed:
            for key, events in self._selector.select():
                key.data(events)

    def _accept(self, port: Port, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.setblocking(False)
        self._drop(port)
        port.connection, port.received, port.waiting = connection, b"", bytearray()
        with self._lock:
            self._selector.register(connection, selectors.EVENT_READ, lambda events: self._serve(port, connection, events))

    def _drop(self, port: Port) -> None:
        if port.connection is not None:
            with self._lock:
                self._selector.unregister(port.connection)
            port.connection.close()
            port.connection = None

    def _serve(self, port: Port, connection: socket.socket, events: int) -> None:
        if port.connection is not connection:
            return
        if events & selectors.EVENT_WRITE:
            self._flush(port)
        if events & selectors.EVENT_READ and port.connection is connection:
            try:
                data = connection.recv(256 << 10)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._drop(port)
                return
            self._take(port, data)

    def _take(self, port: Port, data: bytes) -> None:
        data = port.received + data
        at = 0
        while len(data) - at >= 4:
            (size,) = struct.unpack_from(">I", data, at)
            if len(data) - at - 4 < size:
                break
            self._forward(port, data[at : at + 4 + size])
            at += 4 + size
        port.received = data[at:]

    def _forward(self, port: Port, packet: bytes) -> None:
        if not port.up:
            return
        target, source = packet[4:10], packet[10:16]
        self._seen[source] = port
        known = None if target[:1] and target[0] & 1 else self._seen.get(target)
        for other in [known] if known is not None else list(self._ports.values()):
            if other is port or not other.up or other.connection is None:
                continue
            if len(other.waiting) + len(packet) <= _QUEUE:
                other.waiting += packet
                self._flush(other)

    def _flush(self, port: Port) -> None:
        connection = port.connection
        if connection is None:
            return
        try:
            while port.waiting:
                sent = connection.send(port.waiting)
                del port.waiting[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(port)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if port.waiting else 0)
        key = self._selector.get_key(connection)
        if key.events != wanted:
            self._selector.modify(connection, wanted, key.data)
