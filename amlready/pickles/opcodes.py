"""What each opcode of a pickle does to the machine.

They are all here, those of old protocols too: a file that hides its intent behind a rare opcode is the interesting one.
"""

from __future__ import annotations

from collections.abc import Callable

from .machine import MAX_KEPT, MAX_TEXT, OTHER, Action, Dict, Machine
from .streams import Broken


def _text(size: int) -> Action:
    return lambda it: it.push(it.text(it.number(size)))


def _bytes(size: int) -> Action:
    def action(it: Machine) -> None:
        it.reader.skip(it.number(size))
        it.push(OTHER)

    return action


def _integer(size: int, signed: bool = False) -> Action:
    return lambda it: it.push(it.number(size, signed))


def _long(size: int) -> Action:
    def action(it: Machine) -> None:
        length = it.number(size)
        if length > MAX_TEXT:
            it.reader.skip(length)
            it.push(OTHER)
        else:
            it.push(it.number(length, signed=True))

    return action


def _skip(size: int) -> Action:
    return lambda it: it.reader.skip(size)


def _constant(value: object) -> Action:
    return lambda it: it.push(value)


def _decimal(it: Machine) -> None:
    line = it.line().rstrip("L")
    it.push(int(line) if line.lstrip("-").isdecimal() and len(line) < 20 else OTHER)


def _quoted(it: Machine) -> None:
    it.push(it.line().strip("'\""))


def _line(it: Machine) -> None:
    it.push(it.line())


def _float_line(it: Machine) -> None:
    it.line()
    it.push(OTHER)


def _float(it: Machine) -> None:
    it.reader.skip(8)
    it.push(OTHER)


def _mark(it: Machine) -> None:
    it.marks.append(len(it.stack))


def _pop(it: Machine) -> None:
    if it.marks and it.marks[-1] == len(it.stack):
        it.marks.pop()
    else:
        it.stack.pop()


def _duplicate(it: Machine) -> None:
    it.push(it.stack[-1])


def _dict(it: Machine) -> None:
    values = it.pop_mark()
    new: Dict = {}
    it.push(new)
    _set(new, values)


def _tuple(count: int) -> Action:
    def action(it: Machine) -> None:
        values = it.stack[-count:]
        if len(values) < count:
            raise IndexError
        del it.stack[-count:]
        it.push(tuple(values))

    return action


def _tuple_of_all(it: Machine) -> None:
    it.push(tuple(it.pop_mark()[:MAX_KEPT]))


def _drop_all_for(value: object) -> Action:
    def action(it: Machine) -> None:
        it.pop_mark()
        if value is not None:
            it.push(value)

    return action


def _append(it: Machine) -> None:
    it.stack.pop()


def _set_item(it: Machine) -> None:
    value, key = it.stack.pop(), it.stack.pop()
    _set(it.stack[-1], [key, value])


def _set_items(it: Machine) -> None:
    values = it.pop_mark()
    _set(it.stack[-1], values)


def _set(target: object, values: list[object]) -> None:
    if isinstance(target, dict):
        for key, value in zip(values[::2], values[1::2], strict=False):
            if isinstance(key, str) and len(target) < MAX_KEPT:
                target[key] = value


def _put(it: Machine, at: int) -> None:
    it.memo[at] = it.stack[-1]


def _get(it: Machine, at: int) -> None:
    if at not in it.memo:
        raise Broken("it takes a value that was never kept")
    it.push(it.memo[at])


def _memo(use: Callable[[Machine, int], None], size: int) -> Action:
    return lambda it: use(it, it.number(size))


def _memo_line(use: Callable[[Machine, int], None]) -> Action:
    def action(it: Machine) -> None:
        line = it.line()
        if not line.isdecimal() or len(line) > 12:
            raise Broken("the number of a kept value is not a number")
        use(it, int(line))

    return action


def _memoize(it: Machine) -> None:
    _put(it, len(it.memo))


def _global(it: Machine) -> None:
    module = it.line()
    it.name(module, it.line())


def _stack_global(it: Machine) -> None:
    name, module = it.stack.pop(), it.stack.pop()
    it.name(module, name)


def _extension(size: int) -> Action:
    def action(it: Machine) -> None:
        it.name("copyreg", f"_extension_registry[{it.number(size)}]")

    return action


def _reduce(it: Machine) -> None:
    arguments, function = it.stack.pop(), it.stack.pop()
    it.call(function, arguments)


def _new_with_keywords(it: Machine) -> None:
    it.stack.pop()
    _reduce(it)


def _instance(it: Machine) -> None:
    module = it.line()
    it.name(module, it.line())
    function = it.stack.pop()
    it.call(function, tuple(it.pop_mark()[:MAX_KEPT]))


def _object(it: Machine) -> None:
    function, *arguments = it.pop_mark() or [OTHER]
    it.call(function, tuple(arguments[:MAX_KEPT]))


def _persistent(it: Machine) -> None:
    it.stack.pop()
    it.push(OTHER)


def _nothing(_: Machine) -> None: ...


ACTIONS: dict[bytes, Action] = {
    b"(": _mark, b"0": _pop, b"1": _drop_all_for(None), b"2": _duplicate,
    # numbers, texts, bytes
    b"F": _float_line, b"G": _float, b"I": _decimal, b"L": _decimal,
    b"J": _integer(4, signed=True), b"K": _integer(1), b"M": _integer(2), b"\x8a": _long(1), b"\x8b": _long(4),
    b"N": _constant(None), b"\x88": _constant(True), b"\x89": _constant(False),
    b"S": _quoted, b"V": _line, b"T": _text(4), b"U": _text(1), b"X": _text(4), b"\x8c": _text(1), b"\x8d": _text(8),
    b"B": _bytes(4), b"C": _bytes(1), b"\x8e": _bytes(8), b"\x96": _bytes(8),
    b"\x97": _constant(OTHER), b"\x98": _nothing,
    # containers
    b"]": _constant(OTHER), b"\x8f": _constant(OTHER), b"l": _drop_all_for(OTHER), b"\x91": _drop_all_for(OTHER),
    b"}": lambda it: it.push({}), b"d": _dict, b"s": _set_item, b"u": _set_items,
    b"a": _append, b"e": _drop_all_for(None), b"\x90": _drop_all_for(None),
    b")": _constant(()), b"t": _tuple_of_all, b"\x85": _tuple(1), b"\x86": _tuple(2), b"\x87": _tuple(3),
    # kept values
    b"p": _memo_line(_put), b"q": _memo(_put, 1), b"r": _memo(_put, 4), b"\x94": _memoize,
    b"g": _memo_line(_get), b"h": _memo(_get, 1), b"j": _memo(_get, 4),
    # names, calls, state
    b"c": _global, b"\x93": _stack_global, b"\x82": _extension(1), b"\x83": _extension(2), b"\x84": _extension(4),
    b"R": _reduce, b"\x81": _reduce, b"\x92": _new_with_keywords, b"i": _instance, b"o": _object,
    b"b": Machine.build, b"P": _float_line, b"Q": _persistent,
    # protocol and frames
    b"\x80": _skip(1), b"\x95": _skip(8),
}  # fmt: skip
