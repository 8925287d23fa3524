"""One QEMU process, and the files and sockets around it."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import threading
import time
from typing import Any, Dict, List, Optional

from .errors import MachineError
from .qemu_shell import Shell

#: A system that was asked to end gets this long.
_POWERDOWN = 90.0


class Virtual:
    """A machine of the description: see the library's machine/test.nix."""

    def __init__(self, plan: Dict[str, Any], machine: Dict[str, Any], index: int, folder: str, network: str) -> None:
        self.plan = plan
        self.machine = machine
        self.name: str = machine["name"]
        self.index = index
        self.network = network
        self.folder = os.path.join(folder, f"m{index}")
        os.mkdir(self.folder)
        self.serial = os.path.join(folder, f"{self.name}.log")
        open(self.serial, "wb").close()
        self.process: Optional[subprocess.Popen] = None
        self.shell: Optional[Shell] = None
        self._keyboard: Optional[socket.socket] = None
        self._changing = threading.RLock()
        self._control = threading.Lock()

    # ---- power

    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        with self._changing:
            if self.runs():
                return
            self._leave()
            for name in ("q", "s", "c"):
                if os.path.exists(self._path(name)):
                    os.unlink(self._path(name))
            with open(self._path("log"), "ab") as log:
                self.process = subprocess.Popen(self._arguments(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                env=self._environment())  # fmt: skip
            self.shell = Shell(self.name, self._dial("c"))
            self._keyboard = self._dial("s")
            threading.Thread(target=self._discard, args=(self._keyboard,), daemon=True).start()

    def stop(self) -> None:
        with self._changing:
            if not self.runs():
                return
            assert self.process is not None and self.shell is not None
            try:
                self.shell.run("systemctl poweroff --no-block", b"", 30)
            except MachineError:
                pass
            try:
                self.process.wait(_POWERDOWN)
            except subprocess.TimeoutExpired:
                self.crash()
            self._leave()

    def crash(self) -> None:
        with self._changing:
            if self.runs():
                assert self.process is not None
                self.process.kill()
                self.process.wait()
            self._leave()

    def _leave(self) -> None:
        if self.shell is not None:
            self.shell.close()
        if self._keyboard is not None:
            self._keyboard.close()
        self.shell = self._keyboard = None

    # ---- QEMU

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def _environment(self) -> Dict[str, str]:
        environment = dict(os.environ)
        if self.plan.get("modules"):
            environment["QEMU_MODULE_DIR"] = self.plan["modules"]
        return environment

    def _arguments(self) -> List[str]:
        machine = self.machine
        mac = "52:54:00:12:%02x:%02x" % divmod(self.index + 1, 256)
        arguments = list(self.plan["qemu"]) + [
            "-name", self.name,
            "-machine", "q35", "-accel", "tcg", "-cpu", "max,la57=off,erms=off",
            "-m", str(machine["memory"]), "-smp", str(machine["vcpus"]),
            "-nodefaults", "-no-user-config", "-display", "none", "-vga", "std",
            "-chardev", f"socket,id=qmp,server=on,wait=off,path={self._path('q')}",
            "-mon", "chardev=qmp,mode=control",
            "-chardev", f"socket,id=serial,server=on,wait=off,path={self._path('s')},logfile={self.serial},logappend=on",
            "-serial", "chardev:serial",
            "-device", "virtio-rng-pci",
            "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=shell,server=on,wait=off,path={self._path('c')}",
            "-device", "virtserialport,chardev=shell,name=nxc.shell",
            "-netdev", f"stream,id=net0,server=off,addr.type=unix,addr.path={self.network}",
            "-device", f"virtio-net-pci,netdev=net0,mac={mac},romfile=",
            "-drive", f"file={self.plan['store']},format=raw,if=virtio,readonly=on,file.locking=off",
            "-kernel", machine["kernel"], "-initrd", self._initrd(),
            "-append", " ".join(machine["parameters"]),
        ]  # fmt: skip
        if self.plan.get("outside"):
            arguments += ["-netdev", "user,id=host", "-device", "virtio-net-pci,netdev=host,romfile="]
        return arguments

    def _initrd(self) -> str:
        """The initrd with what this machine is told behind it."""
        path = self._path("initrd")
        if not os.path.exists(path):
            with open(self.plan["initrd"], "rb") as file:
                base = file.read()
            with open(path + ".new", "wb") as file:
                # The kernel reads a second archive only at a multiple of four.
                file.write(base + bytes(-len(base) % 4) + _archive(self._context()))
            os.rename(path + ".new", path)
        return path

    def _context(self) -> Dict[str, str]:
        hosts = ["127.0.0.1\tlocalhost", "::1\tlocalhost"]
        for machine in self.plan["machines"]:
            names = " ".join([machine["name"]] + machine.get("aliases", []))
            hosts.append(f"{machine['address']}\t{names}")
        context = {
            "etc/nxc/role": self.machine["role"] + "\n",
            "etc/nxc/node": self.name + "\n",
            "etc/nxc/private/address": f"{self.machine['address']}/{self.plan['prefix']}\n",
            "etc/hosts": "\n".join(hosts) + "\n",
        }
        # What nxc tells its node, when it holds the driver.
        for path, content in self.plan.get("told", {}).get(self.name, {}).items():
            context[path.lstrip("/")] = base64.b64decode(content).decode()
        return context

    def _dial(self, name: str) -> socket.socket:
        limit = time.monotonic() + 60
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(self._path(name))
                return connection
            except OSError:
                connection.close()
            if not self.runs() or time.monotonic() > limit:
                with open(self._path("log"), "r", errors="replace") as log:
                    said = log.read()[-2000:].strip()
                raise MachineError(f"QEMU does not start {self.name}: {said or 'it says nothing'}")
            time.sleep(0.02)

    def _discard(self, connection: socket.socket) -> None:
        """What the console says is in its file."""
        try:
            while connection.recv(65536):
                pass
        except OSError:
            pass

    def type(self, data: bytes) -> None:
        if self._keyboard is None:
            raise MachineError(f"{self.name} does not run")
        self._keyboard.sendall(data)

    def monitor(self, command: str) -> str:
        """QEMU's human monitor."""
        with self._control:
            if not self.runs():
                raise MachineError(f"{self.name} does not run")
            with self._dial("q") as connection, connection.makefile("rwb", buffering=0) as stream:
                stream.readline()  # its greeting
                for request in (
                    {"execute": "qmp_capabilities"},
                    {"execute": "human-monitor-command", "arguments": {"command-line": command}},
                ):
                    stream.write(json.dumps(request).encode() + b"\n")
                    answer: Dict[str, Any] = {}
                    while "return" not in answer and "error" not in answer:
                        line = stream.readline()
                        if not line:
                            raise MachineError(f"{self.name} went down")
                        answer = json.loads(line)
                if "error" in answer:
                    raise MachineError(f"QEMU refuses {command!r}: {answer['error'].get('desc')}")
                return str(answer["return"])


def _archive(files: Dict[str, str]) -> bytes:
    """A cpio archive, whose files the first stage of the boot finds below /nxc-context."""
    out = bytearray()
    made = set()
    number = 0

    def entry(name: str, mode: int, content: bytes) -> None:
        nonlocal number
        number += 1
        fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        out.extend(b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0")
        out.extend(bytes(-len(out) % 4))
        out.extend(content)
        out.extend(bytes(-len(out) % 4))

    for path in sorted(files):
        parts = ["nxc-context"] + path.split("/")
        for i in range(1, len(parts)):
            folder = "/".join(parts[:i])
            if folder not in made:
                made.add(folder)
                entry(folder, 0o040755, b"")
        private = "/private/" in path
        entry("/".join(parts), 0o100600 if private else 0o100644, files[path].encode())
    entry("TRAILER!!!", 0, b"")
    return bytes(out)
