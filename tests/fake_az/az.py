"""An `az` for tests: it knows the real one's arguments, keeps a small Azure in a file, and notes down every call.

`FAKE_AZ_STATE` is the file with that Azure, `FAKE_AZ_CALLS` the one where calls go, a JSON list on each line. What the
commands do is in `azure_model`. An outcome in the state's `outcomes` (command → list, one for each call, null for
success) makes a call fail with `stderr` and `status`, leave values at places of the state (`leaves`), or do its work
(`happens`) and then succeed all the same (`succeeds`), or hang until it is interrupted (`hangs`, a file that tells
when).
"""

from __future__ import annotations

import json
import os
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

from azure_model import HANDLERS, Refusal

State = dict[str, Any]

_TABLE = tomllib.loads((Path(__file__).parent / "arguments.toml").read_text(encoding="utf-8"))


class Usage(Exception):
    """The command line is not one that the real command takes."""


# --- arguments -------------------------------------------------------------------------------------------------------


def command_of(words: list[str]) -> str:
    """The longest command that the words begin with."""
    names = (" ".join(words[:length]) for length in range(len(words), 0, -1))
    name = next((name for name in names if isinstance(_TABLE.get(name), dict) and "options" in _TABLE[name]), None)
    if name is None:
        raise Usage(f"'{' '.join(words[:3])}' is misspelled or not recognized by the system.")
    return name


def options_of(command: str) -> dict[str, tuple[str, str, bool]]:
    """Every spelling of an option, with its name, what follows it (`VALUE`, `...` or nothing) and if it is required."""
    entry = _TABLE[command]
    every = [each for each in _TABLE["every"] if not (entry.get("local") and "--subscription" in each)]
    known = {}
    for written in [*entry["options"], *every]:
        words = written.removesuffix("!").split()
        spellings = [word for word in words if word.startswith("-")]
        takes = words[-1] if words[-1] not in spellings else ""
        known |= {each: (spellings[0], takes, written.endswith("!")) for each in spellings}
    return known


def parse(command: str, words: list[str]) -> dict[str, Any]:
    """Options by their long names: a string, a list of strings or True. Raises Usage."""
    known = options_of(command)
    given: dict[str, Any] = {}
    while words:
        word, equals, value = words.pop(0).partition("=")
        if word not in known:
            raise Usage(f"unrecognized arguments: {word}")
        name, takes, _ = known[word]
        values = [value] if equals else _values(takes, words)
        if takes and not values:
            raise Usage(f"argument {name}: expected at least one argument")
        given[name] = [*given.get(name, []), *values] if takes == "..." else values[0] if takes else True
    missing = sorted({name for name, _, required in known.values() if required and name not in given})
    if missing:
        raise Usage(f"the following arguments are required: {', '.join(missing)}")
    return given


def _values(takes: str, words: list[str]) -> list[str]:
    most = {"": 0, "VALUE": 1}.get(takes, len(words))
    end = next((place for place, word in enumerate(words) if word.startswith("-")), len(words))
    values = words[: min(most, end)]
    del words[: len(values)]
    return values


# --- output ----------------------------------------------------------------------------------------------------------


def write(result: Any, given: dict[str, Any]) -> None:
    """As the real az prints it: nothing for null, and columns of `None` for a null within."""
    if "--query" in given:
        import jmespath  # only here, because a run makes dozens of calls

        result = jmespath.search(given["--query"], result)
    form = given.get("--output", "json")
    if result is None or form == "none":
        return
    if form == "tsv":
        sys.stdout.writelines(_row(each) + "\n" for each in (result if isinstance(result, list) else [result]))
    else:
        print(json.dumps(result, indent=2))


def _row(value: Any) -> str:
    match value:
        case list():
            return "\t".join(map(_cell, value))
        case dict():
            return "\t".join(_cell(value[key]) for key in sorted(value))
        case bool():
            return str(value).lower()
        case _:
            return str(value)


def _cell(value: Any) -> str:
    return str(len(value)) if isinstance(value, list) else "" if isinstance(value, dict) else str(value)


# --- running ---------------------------------------------------------------------------------------------------------


def run(command: str, given: dict[str, Any], state: State, save: Any) -> Any:
    """Do it, or what the next outcome for this command says. Raises Refusal."""
    if command not in ("extension list", "configure") and not state.get("account"):
        raise Refusal("Please run 'az login' to setup account.")
    planned = state.get("outcomes", {}).get(command, [])
    outcome = planned.pop(0) if planned else None
    save()
    if outcome is None:
        return HANDLERS[command](state, given)
    if outcome.get("happens"):
        HANDLERS[command](state, given)
    for place, value in outcome.get("leaves", {}).items():
        _leave(state, place.split("/"), value)
    save()
    if outcome.get("succeeds"):
        return None
    if outcome.get("hangs"):
        Path(outcome["hangs"]).touch()
        time.sleep(30)
    raise Refusal(outcome.get("stderr", "no reason"), outcome.get("status", 1))


def _leave(state: State, place: list[str], value: Any) -> None:
    for key in place[:-1]:
        state = state.setdefault(key, {})
    state[place[-1]] = value


def main(words: list[str]) -> int:
    """Exit status: 0 done · 1 refused · 2 not a command line of az · 3 there is no such thing."""
    with Path(os.environ["FAKE_AZ_CALLS"]).open("a", encoding="utf-8") as calls:
        calls.write(json.dumps(words) + "\n")
    file = Path(os.environ["FAKE_AZ_STATE"])
    state: State = json.loads(file.read_text(encoding="utf-8"))

    def save() -> None:
        file.write_text(json.dumps(state, indent=1), encoding="utf-8")

    try:
        start = next((place for place, word in enumerate(words) if word.startswith("-")), len(words))
        command = command_of(words[:start])
        given = parse(command, words[len(command.split()) :])
        write(run(command, given, state, save), given)
    except Usage as usage:
        print(f"ERROR: {usage}", file=sys.stderr)
        return 2
    except Refusal as refusal:
        print(f"ERROR: {refusal}", file=sys.stderr)
        return refusal.status
    except KeyboardInterrupt:
        return 130
    finally:
        save()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
