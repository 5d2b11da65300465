"""Words for messages: the name that was probably meant, and lists of what was expected."""

from __future__ import annotations

from collections.abc import Iterable


def near(name: str, options: Iterable[str]) -> str | None:
    """The option closest to a name, letter case aside, or None when none is close."""
    by_case = {option.lower(): option for option in options}
    if not by_case or name.lower() in by_case:
        return by_case.get(name.lower())
    from difflib import get_close_matches  # 3 ms that a clean run does not need

    found = get_close_matches(name.lower(), by_case, 1, cutoff=0.75)
    return by_case[found[0]] if found else None


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing."""
    found = near(name, options)
    return f"; did you mean {found!r}?" if found else ""


def listed(options: Iterable[str], last: str = "or") -> str:
    """`'a', 'b' or 'c'`."""
    names = [repr(option) for option in options]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}" if names else "nothing"
