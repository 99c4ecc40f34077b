"""How a reader of a file from outside says that it does not take it."""

from transforms.intake.probe import Fault


class Refused(Exception):
    """A file or folder that is not taken; never leaves this package.

    Attributes:
        fault: why, with a stable code.
    """

    def __init__(self, code: str, message: str, expected: str, found: object = None) -> None:
        self.fault = Fault(code, message, expected, None if found is None else str(found))
        super().__init__(self.fault.say())
