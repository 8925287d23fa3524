"""What goes wrong in a test, by name."""


class TestScriptError(Exception):
    """The script's own wish was not met, or it is wrong."""

    __test__ = False  # for pytest, which collects what is called Test


class RequestedAssertionFailed(TestScriptError):
    """A command, a wait or an assertion of the script failed."""


class MachineError(Exception):
    """A machine could not be reached, or did not do what it was told."""


class NotPossible(MachineError):
    """The flavour cannot do this. The message says why."""


class Interrupted(BaseException):
    """Ctrl-C, or the time for the whole script is over.

    It is no Exception, so that `except Exception` in a script lets it pass.
    """
