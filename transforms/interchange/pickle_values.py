"""Pickle opcodes read into inert values: a parser of data, in which nothing can be called.

The standard unpickler, also one with a restricted `find_class`, goes on to call and to change what
it admits. Here names are compared and never imported, calls are only written down, and opcodes
that a NumPy array does not need end the reading. What the values mean: `pickled_array`.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from transforms.interchange.refusal import Refused

# A pickled array takes about 60 opcodes; memo bombs and deep nesting need far more.
_MAX_OPCODES: Final = 400
_MAX_LINE_BYTES: Final = 128
_MAX_INTEGER_BYTES: Final = 9
_MAX_PROTOCOL: Final = 5
SHORT_BYTES: Final = 64
"""Longer texts and byte strings can only be an array's data and are left undecoded."""

_OPCODE_NAMES: Final = {opcode.code: opcode.name for opcode in pickletools.opcodes}


@dataclass(frozen=True)
class Name:
    """Something the pickle wants imported, for example `numpy`, `ndarray`."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, eq=False)
class Data:
    """A byte string or text, as it stands in the file."""

    raw: memoryview
    form: Literal["bytes", "utf-8", "raw_unicode_escape"]


@dataclass(eq=False)
class Call:
    """A call that the pickle asks for, with the state it wants set afterwards."""

    function: Name
    arguments: tuple[Any, ...]  # `Any`: the values of this module, str, int, bool, None, tuple
    state: Any = None


def read_values(data: bytes, names: frozenset[Name], check_call: Callable[[Call], None]) -> Any:
    """Return the one value a pickle of protocol 0 to 5 describes.

    Tuples may repeat each other's members, so whoever walks the result walks known places only.

    Args:
        data: the whole pickle.
        names: what it may name.
        check_call: asked about each call as it is read, to refuse it early.

    Raises:
        Refused: it is cut short or damaged, names anything else or uses an opcode that arrays do
            not need.
    """
    return _Reader(data, names, check_call).read()


class _Reader:
    def __init__(
        self, data: bytes, names: frozenset[Name], check_call: Callable[[Call], None]
    ) -> None:
        self._data = data
        self._view = memoryview(data)
        self._position = 0
        self._names = names
        self._check_call = check_call
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def read(self) -> Any:
        for _ in range(_MAX_OPCODES):
            opcode = self._take(1).tobytes().decode("latin-1")
            if opcode == ".":
                return self._finish()
            step = _STEPS.get(opcode)
            if step is None:
                name = _OPCODE_NAMES.get(opcode, f"byte {ord(opcode):#04x}")
                raise Refused(
                    "forbidden_opcode",
                    "the pickle holds more than an array",
                    "one array of numbers",
                    name,
                )
            step(self)
        raise Refused(
            "forbidden_opcode",
            "the pickle holds more than an array",
            f"at most {_MAX_OPCODES} opcodes",
        )

    def _finish(self) -> Any:
        if self._position != len(self._data):
            raise _damaged("bytes after its end")
        if self._marks or len(self._stack) != 1:
            raise _damaged(f"{len(self._stack)} values at its end")
        return self._stack[0]

    def _take(self, count: int) -> memoryview:
        end = self._position + count
        if not 0 <= count <= len(self._data) - self._position:
            raise Refused("truncated_file", "the pickle is cut short", "a whole file")
        taken = self._view[self._position : end]
        self._position = end
        return taken

    def _line(self, limit: int | None = _MAX_LINE_BYTES) -> memoryview:
        stop = len(self._data) if limit is None else self._position + limit
        end = self._data.find(b"\n", self._position, stop)
        if end < 0:
            raise Refused("truncated_file", "the pickle is cut short", "a whole file")
        return self._take(end + 1 - self._position)[:-1]

    def _integer(self, size: int, *, is_signed: bool = False) -> int:
        return int.from_bytes(self._take(size), "little", signed=is_signed)

    def _decimal(self) -> int:
        try:
            return int(self._line().tobytes())
        except ValueError:
            raise _damaged("a number that is none") from None

    def _pop(self) -> Any:
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise _damaged("a value is missing")
        return self._stack.pop()

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def push_short_integer(self, size: int, is_signed: bool) -> None:
        self.push(self._integer(size, is_signed=is_signed))

    def push_long(self) -> None:
        size = self._integer(1)
        if size > _MAX_INTEGER_BYTES:
            raise _damaged("a number too large for a size")
        self.push(self._integer(size, is_signed=True))

    def push_decimal(self) -> None:
        line = self._line().tobytes()
        if line in (b"00", b"01"):  # how protocol 0 writes False and True
            self.push(line == b"01")
            return
        try:
            self.push(int(line.removesuffix(b"L")))
        except ValueError:
            raise _damaged("a number that is none") from None

    def push_sized(self, size_bytes: int, form: Literal["bytes", "utf-8"]) -> None:
        raw = self._take(self._integer(size_bytes))
        self.push(_text(raw, form) if form == "utf-8" else Data(raw, form))

    def push_text_line(self) -> None:
        self.push(_text(self._line(limit=None), "raw_unicode_escape"))

    def push_name(self, module: object, name: object) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise _damaged("a name that is no text")
        wanted = Name(module, name)
        if wanted not in self._names:
            raise Refused(
                "forbidden_name",
                "the pickle wants something imported that no array needs",
                "one array of numbers",
                ascii(str(wanted)[:SHORT_BYTES]),
            )
        self.push(wanted)

    def push_global(self) -> None:
        module, name = (self._line().tobytes().decode("latin-1") for _ in range(2))
        self.push_name(module, name)

    def push_stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        self.push_name(module, name)

    def mark(self) -> None:
        self._marks.append(len(self._stack))

    def tuple_from_mark(self) -> None:
        if not self._marks:
            raise _damaged("a mark is missing")
        start = self._marks.pop()
        members = tuple(self._stack[start:])
        del self._stack[start:]
        self.push(members)

    def tuple_of(self, count: int) -> None:
        members = [self._pop() for _ in range(count)]
        self.push(tuple(reversed(members)))

    def call(self) -> None:
        arguments, function = self._pop(), self._pop()
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise _damaged("a call of what can't be called")
        wanted = Call(function, arguments)
        self._check_call(wanted)
        self.push(wanted)

    def set_state(self) -> None:
        state, target = self._pop(), self._pop()
        if not isinstance(target, Call) or target.state is not None or state is None:
            raise _damaged("a state for what has none")
        target.state = state
        self.push(target)

    def put(self, index: int | None) -> None:
        value = self._pop()
        self._memo[len(self._memo) if index is None else index] = value
        self.push(value)

    def get(self, index: int) -> None:
        if index not in self._memo:
            raise _damaged("it refers to what it does not hold")
        self.push(self._memo[index])

    def check_protocol(self) -> None:
        protocol = self._integer(1)
        if protocol > _MAX_PROTOCOL:
            raise _damaged(f"protocol {protocol}")


def _text(raw: memoryview, form: Literal["utf-8", "raw_unicode_escape"]) -> str | Data:
    if len(raw) > SHORT_BYTES:
        return Data(raw, form)
    try:
        return raw.tobytes().decode(form)
    except UnicodeDecodeError:
        raise _damaged("a text that is none") from None


def _damaged(found: str) -> Refused:
    return Refused("damaged_pickle", "the pickle is damaged", "a pickle", found)


_STEPS: Final[dict[str, Callable[[_Reader], None]]] = {
    "\x80": _Reader.check_protocol,
    "\x95": lambda reader: reader._take(8).release(),  # a frame's length: a hint for readers
    "c": _Reader.push_global,
    "\x93": _Reader.push_stack_global,
    "(": _Reader.mark,
    ")": lambda reader: reader.push(()),
    "t": _Reader.tuple_from_mark,
    "\x85": lambda reader: reader.tuple_of(1),
    "\x86": lambda reader: reader.tuple_of(2),
    "\x87": lambda reader: reader.tuple_of(3),
    "R": _Reader.call,
    "b": _Reader.set_state,
    "N": lambda reader: reader.push(None),
    "\x88": lambda reader: reader.push(True),
    "\x89": lambda reader: reader.push(False),
    "I": _Reader.push_decimal,
    "L": _Reader.push_decimal,
    "J": lambda reader: reader.push_short_integer(4, is_signed=True),
    "K": lambda reader: reader.push_short_integer(1, is_signed=False),
    "M": lambda reader: reader.push_short_integer(2, is_signed=False),
    "\x8a": _Reader.push_long,
    "V": _Reader.push_text_line,
    "X": lambda reader: reader.push_sized(4, "utf-8"),
    "\x8c": lambda reader: reader.push_sized(1, "utf-8"),
    "\x8d": lambda reader: reader.push_sized(8, "utf-8"),
    "U": lambda reader: reader.push_sized(1, "bytes"),  # Python 2's strings
    "T": lambda reader: reader.push_sized(4, "bytes"),
    "C": lambda reader: reader.push_sized(1, "bytes"),
    "B": lambda reader: reader.push_sized(4, "bytes"),
    "\x8e": lambda reader: reader.push_sized(8, "bytes"),
    "\x96": lambda reader: reader.push_sized(8, "bytes"),
    "p": lambda reader: reader.put(reader._decimal()),
    "q": lambda reader: reader.put(reader._integer(1)),
    "r": lambda reader: reader.put(reader._integer(4)),
    "\x94": lambda reader: reader.put(None),
    "g": lambda reader: reader.get(reader._decimal()),
    "h": lambda reader: reader.get(reader._integer(1)),
    "j": lambda reader: reader.get(reader._integer(4)),
}
