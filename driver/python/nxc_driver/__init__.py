"""The Python side of nxc's tests: scripts in the language of NixOS tests.

A script drives machines. What it may say (Machine, Driver and the names that
a script finds in scope) is written once, in this package; how a machine is
reached is a Backend, of which there can be several:

- wire.WireBackend speaks to nxc over a socket, and nxc does it with the hands
  of the deployment's nodes. It serves `nxc test` and `nxc driver` on every
  flavour.
- Another one drives machines without nxc, such as plain QEMU processes inside
  a Nix build. To plug it in, subclass backend.Backend, implement `names` and
  the methods that it can do (the others say by themselves that they cannot),
  and run

      from nxc_driver import run_script
      sys.exit(run_script(MyBackend(...), text, "script.py", out=os.environ["out"]))

  run_script reports as text on standard error, in the shape of NixOS's own
  driver, and returns the exit status. For an interactive session, call
  `interact(MyBackend(...), text, "script.py", out=...)` instead.

A Backend is called from many threads at once. It has no notion of subtests,
waits or retries: those are Machine's. Its calls block; what stands for Ctrl-C
(`interrupt`) makes those under way raise Interrupted.

It needs Python 3.8 or newer, and the standard library only.
"""

from .backend import Backend, Completed
from .driver import Driver
from .errors import Interrupted, MachineError, NotPossible, RequestedAssertionFailed, TestScriptError
from .interactive import interact
from .machine import Machine
from .run import run_script

__all__ = [
    "Backend",
    "Completed",
    "Driver",
    "Interrupted",
    "Machine",
    "MachineError",
    "NotPossible",
    "RequestedAssertionFailed",
    "TestScriptError",
    "interact",
    "run_script",
]
