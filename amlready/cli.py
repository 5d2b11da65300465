"""The command line: options in, findings on standard output, everything else on standard error, an exit status.

Nothing is imported before a command needs it: `check` runs on every commit and must start fast.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from . import __version__, formats
from .diagnostic import Diagnostic, Level
from .misuse import Misuse

if TYPE_CHECKING:
    import argparse
    from typing import NoReturn, TypeAlias

Options: TypeAlias = "argparse.Namespace | SimpleNamespace"

OK, PROBLEMS, MISUSE, BUG, INTERRUPTED = 0, 1, 2, 3, 130


def check(options: Options) -> int:
    """Check specs and scoring scripts, offline.

    Finds the Azure ML specs in folders by their content and reports what the SDK, Azure or the container would refuse.
    Exit status: 0 nothing at error or warning, 1 problems, 2 misuse, 3 a bug in amlready.
    """
    from . import checking

    found, project, changes = checking.run(options)
    if options.diff:
        sys.stdout.write(changes)
        return PROBLEMS if changes else OK
    if not project.specs and not project.faults:
        _say(f"no Azure ML specs found in {', '.join(options.paths) or 'this folder'}")
    specs = [each for each in project.specs if each.source.path not in project.context]
    return report(found, options, f"{_count(specs, 'spec')} checked")


def report(found: Sequence[Diagnostic], options: Options, checked: str) -> int:
    """Write findings at the wanted level to standard output and a summary to standard error."""
    shown = [each for each in found if each.level.rank <= Level(options.level).rank]
    render = formats.get(options.format) if options.format else formats.usual(sys.stdout, os.environ)
    sys.stdout.write(render(shown))
    sys.stdout.flush()
    counts = [
        _count([each for each in shown if each.level is level], str(level))
        for level in Level
        if any(each.level is level for each in shown)
    ]
    hint = f"; `amlready explain {shown[0].rule}` says more" if shown else ""
    _say(f"{checked}: {', '.join(counts) or 'no problems'}{hint}")
    return PROBLEMS if any(each.level is not Level.NOTE for each in shown) else OK


def _count(things: Sequence[object], name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"


def _say(message: str) -> None:
    print(message, file=sys.stderr)


def score(options: Options) -> int:
    """Unit-test the scoring script: init(), then run() for each request, collection included.

    Runs in a child process, through the inference server's own application and the real Collector, laid out as Azure
    lays out the container. Each request is sent up to three times, and everything is collected, whatever sampling_rate
    says. Same formats and exit status as check.
    """
    from .checking import known
    from .local import trial
    from .local.resolve import choose, resolve

    deployment, _ = choose(options.file)
    requests = [Path(each) for each in options.requests] or [each.source.path for each in deployment.requests]
    for path in requests:
        if not path.is_file():
            raise Misuse(f"there is no file {str(path)!r}")
    found = trial.score(deployment, resolve(deployment, options.model), requests, timeout=options.timeout)
    kept = [each for each in found if not options.only or each.rule in known(options.only)]
    return report(kept, options, f"init() and {_count(requests, 'request')} run")


def serve(options: Options) -> int:
    """Run the deployment on this machine and collect its data, until Ctrl-C.

    Microsoft's inference server runs the scoring script, Microsoft's Collector sends the data, and an agent in place of
    Azure's writes it as Azure would. azmlinfsrv listens on all interfaces; it has no option for that.
    """
    from .local import endpoint
    from .local.resolve import choose, resolve

    deployment, _ = choose(options.file)
    return endpoint.serve([resolve(deployment, options.model)], root=options.root, port=options.port)


def invoke(options: Options) -> int:
    """Send a request to a running endpoint and print status, answer, latency and correlation id."""
    from . import invoke as command

    file = None if options.request == "-" else Path(options.request)
    return command.invoke(file, options.uri, client_request_id=options.client_request_id, timeout=options.timeout)


def collected(options: Options) -> int:
    """Read collected data back: what there is, its rows, or inputs and outputs joined."""
    from . import collected as command

    return command.show(
        options.root,
        endpoint=options.endpoint,
        deployment=options.deployment,
        collection=options.collection,
        rows=options.rows,
        join=options.join,
        since=options.since,
        until=options.until,
        format=options.format,
    )


def explain(options: Options) -> int:
    """Print a rule's manual page: what is wrong, why, and both examples."""
    from . import manual
    from .checking import known

    if options.all:
        print(manual.markdown(), end="")
    elif options.rule is None:
        print(manual.listing(), end="")
    else:
        (name,) = known([options.rule])
        print(manual.page(name), end="")
    return OK


def plan(options: Options) -> int:
    """Show what `az ml` would send, in order, without Azure.

    The real azure-ai-ml (amlready[azure]) applies the files to a control plane on this machine; nothing leaves it.
    """
    from . import plan as command

    return command.plan(
        options.file,
        settings=options.set,
        name=options.name,
        endpoint_name=options.endpoint_name,
        format=options.format,
        as_curl=options.curl,
        against=options.against,
    )


def init(options: Options) -> int:
    """Write the skeleton of an endpoint for a model of your own.

    The result passes `amlready check`; what is left to fill in is listed.
    """
    from . import scaffold

    return scaffold.init(options.folder, kind=options.kind, name=options.name, model=options.model, image=options.image)


def schema(options: Options) -> int:
    """Print the JSON Schema of a kind of file, for an editor.

    With the YAML language server, save it and name it in the file's first line:
    # yaml-language-server: $schema=managed-online-deployment.json
    """
    import json

    from . import schema as schemas
    from .suggest import listed

    if options.kind not in schemas.KINDS:
        raise Misuse(f"there is no schema {options.kind!r}; the kinds are {listed(schemas.KINDS, 'and')}")
    print(json.dumps(schemas.schema(options.kind), indent=2))
    return OK


COMMANDS = {
    "check": check,
    "score": score,
    "serve": serve,
    "invoke": invoke,
    "collected": collected,
    "plan": plan,
    "init": init,
    "explain": explain,
    "schema": schema,
}
"""The subcommands."""


def parser(arguments: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The options of every command; of one alone, when the arguments name it, which takes a fifth of the time."""
    from . import options

    return options.parser(arguments)


def plain(arguments: Sequence[str]) -> Options | None:
    """What argparse makes of `check` with nothing but paths; importing and asking it takes a tenth of such a check."""
    command, *paths = arguments or [""]
    if command != "check" or any(each.startswith("-") for each in paths):
        return None
    left_out = dict.fromkeys(("version", "format", "name", "endpoint_name", "stdin_filename"))
    return SimpleNamespace(
        command=command,
        function=check,
        paths=paths,
        level="note",
        fix=False,
        diff=False,
        only=[],
        set=[],
        var=[],
        **left_out,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    try:
        given = sys.argv[1:] if arguments is None else arguments
        options = plain(given) or parser(given).parse_args(given)
        status: int = options.function(options)
        sys.stdout.flush()
        return status
    except Misuse as misuse:
        _say(f"amlready: {misuse}")
        return MISUSE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader went away (`| head`): not a fault; keep Python from complaining about it when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except Exception:
        import traceback

        _say(f"amlready {__version__} has a bug; please report this with the file that caused it:")
        traceback.print_exc()
        return BUG


def run() -> NoReturn:
    """The `amlready` command."""
    is_check = sys.argv[1:2] == ["check"]
    if is_check:
        gc.disable()  # it leaves no garbage in cycles; looking for some takes a tenth of the time
    status = main()
    if is_check and status in (OK, PROBLEMS):
        os._exit(status)  # all is written, and freeing the memory value by value takes another tenth
    raise SystemExit(status)
