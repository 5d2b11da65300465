"""The machine that a pickle is a program for, on stand-ins.

joblib writes the raw bytes of arrays into the stream: the machine must know the shape and type of an array to find the
next opcode. Nothing else is kept of values but what names and calls are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from ..frozen import frozen
from .streams import Broken, Ends, Enough, Reader

MAX_OPCODES = 100_000
"""Most opcodes that are read of one file: 0.1 s. A linear model has 100, a forest of 100 trees 6,000."""

MAX_TEXT = 300
"""Longest text that is kept; names of modules, functions and versions are shorter."""

MAX_NAMES = 10_000
"""Most different names that are kept."""

MAX_LINE = 65_536
"""Longest line of a pickle in the old text form."""

MAX_KEPT = 64
"""Most values that are kept of one tuple or dict."""

MAX_NESTED = 20
"""Deepest nesting of pickles in arrays of objects."""


@frozen
class Name:
    """A function or class that the pickle refers to."""

    text: str


class Made:
    """What a call would give: of which function, from what, with which state."""

    __slots__ = ("arguments", "function", "state")

    def __init__(self, function: str, arguments: object = None, state: object = None) -> None:
        self.function, self.arguments, self.state = function, arguments, state


class Other:
    """Any value that says nothing: numbers, bytes, lists."""


OTHER = Other()
Dict: TypeAlias = dict[object, object]
Action: TypeAlias = "Callable[[Machine], None]"


class Found:
    """What all pickles of one file, the nested ones too, have in common."""

    def __init__(self, is_joblib: bool = False) -> None:
        self.names: set[str] = set()
        self.calls: set[str] = set()
        self.scikit_learn: str | None = None
        self.opcodes = 0
        self.is_joblib = is_joblib


class Machine:
    """One pickle on stand-ins."""

    def __init__(
        self,
        reader: Reader,
        actions: Mapping[bytes, Action],
        found: Found | None = None,
        depth: int = 0,
        is_joblib: bool = False,
    ) -> None:
        self.reader, self.actions = reader, actions
        self.found = found or Found(is_joblib)
        self.depth = depth
        self.protocol = 0
        self.stack: list[object] = []
        self.marks: list[int] = []
        self.memo: dict[int, object] = {}
        self.previous: object = None

    def starts(self) -> bool:
        """Whether the stream begins like a pickle of protocol 2 or later; older ones look like any text."""
        try:
            head = self.reader.read(2)
        except (Ends, Broken):
            return False
        if head[0] != 0x80 or not 2 <= head[1] <= 5:
            return False
        self.protocol = head[1]
        return True

    def run(self) -> None:
        """Until STOP."""
        found, read = self.found, self.reader.read
        while (code := read(1)) != b".":
            found.opcodes += 1
            if found.opcodes > MAX_OPCODES:
                raise Enough
            action = self.actions.get(code)
            if action is None:
                raise Broken(f"0x{code.hex()} is no pickle opcode")
            try:
                action(self)
            except IndexError:
                raise Broken("it takes a value that was never put there") from None

    # --- reading arguments ---

    def number(self, size: int, signed: bool = False) -> int:
        return int.from_bytes(self.reader.read(size), "little", signed=signed)

    def line(self) -> str:
        """Text up to a line feed."""
        taken = bytearray()
        while (byte := self.reader.read(1)) != b"\n":
            taken += byte
            if len(taken) > MAX_LINE:
                raise Enough
        return taken.decode("utf-8", "replace")[:MAX_TEXT]

    def text(self, size: int) -> object:
        if size > MAX_TEXT:
            self.reader.skip(size)
            return OTHER
        return self.reader.read(size).decode("utf-8", "replace")

    # --- the stack ---

    def push(self, value: object) -> None:
        if self.previous == "_sklearn_version" and isinstance(value, str) and self.found.scikit_learn is None:
            self.found.scikit_learn = value
        self.previous = value
        self.stack.append(value)

    def pop_mark(self) -> list[object]:
        at = self.marks.pop()
        values = self.stack[at:]
        del self.stack[at:]
        return values

    # --- names and calls ---

    def name(self, module: object, name: object) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise Broken("it takes something else than a text for the name of a function")
        full = f"{module}.{name}"
        self.found.names.add(full)
        if len(self.found.names) > MAX_NAMES:
            raise Enough
        self.push(Name(full))

    def call(self, function: object, arguments: object) -> None:
        name = function.text if isinstance(function, Name) else _called(function)
        self.found.calls.add(_getattr(name, arguments) if name == "builtins.getattr" else name)
        self.push(Made(name, arguments))

    def build(self) -> None:
        state = self.stack.pop()
        made = self.stack[-1]
        if not isinstance(made, Made):
            return
        made.state = state
        if made.function.endswith("joblib.numpy_pickle.NumpyArrayWrapper"):
            self.found.is_joblib = True
            self.array(state if isinstance(state, dict) else {})

    def array(self, state: Dict) -> None:
        """Pass over the bytes that joblib writes after the description of an array."""
        size = _item_size(state.get("dtype"))
        shape = state.get("shape")
        if size is None or not isinstance(shape, tuple):
            raise Enough
        if size == 0:
            self.nested()
            return
        if state.get("numpy_array_alignment_bytes") is not None:
            self.reader.skip(self.number(1))
        for length in shape:
            if not isinstance(length, int) or length < 0:
                raise Enough
            size *= length
        self.reader.skip(size)

    def nested(self) -> None:
        """An array of objects is a pickle in the pickle."""
        if self.depth >= MAX_NESTED:
            raise Enough
        machine = Machine(self.reader, self.actions, self.found, self.depth + 1)
        if not machine.starts():
            raise Enough
        machine.run()


def _called(function: object) -> str:
    """The name for what another call gave; cut short, as calls of calls of calls would have ever longer names."""
    return f"{function.function}()" if isinstance(function, Made) and len(function.function) < MAX_TEXT else "?"


def _getattr(name: str, arguments: object) -> str:
    """`getattr` by what it gets, which is how methods and inner classes are pickled."""
    match arguments:
        case (Name(text=owner), str(attribute)):
            return f"{owner}.{attribute}"
        case (_, str(attribute)):
            return f"{name}:{attribute}"
    return name


def _item_size(dtype: object) -> int | None:
    """Bytes of one element; 0 for Python objects, None when it cannot be told."""
    match dtype:
        case Made(function="numpy.dtype", arguments=(str(code), *_), state=state):
            pass
        case _:
            return None
    if isinstance(state, tuple) and len(state) > 5 and isinstance(state[5], int) and state[5] > 0:
        has_objects = len(state) > 7 and isinstance(state[7], int) and state[7] & 1 and code.startswith("V")
        return 0 if code.startswith("O") or has_objects else state[5]
    if code.startswith("O"):
        return 0
    digits = code[1:]
    return int(digits) if digits.isdecimal() and code[0] in "biufcSmMV" and len(digits) < 10 else None
