"""The command line: options in, findings on standard output, everything else on standard error, an exit status.

Nothing is imported before a command needs it: `check` runs on every commit and must start fast.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from . import __version__, formats
from .diagnostic import Diagnostic, Level
from .misuse import Misuse

OK, PROBLEMS, MISUSE, BUG, INTERRUPTED = 0, 1, 2, 3, 130


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Misuse(f"{message}\nTry '{self.prog} --help'.")


def parser(arguments: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The options of every command; of one alone, when the arguments name it, which takes a fifth of the time."""
    root = _Parser(
        prog="amlready",
        description="Know that an Azure ML online endpoint will deploy, and will collect the data it should, before "
        "Azure does.",
    )
    root.add_argument("--version", action=_Version, nargs=0, help="print the versions of amlready and of its schemas")
    commands: _Commands[argparse.ArgumentParser] = root.add_subparsers(
        # prog, because argparse would format a whole usage to find it
        dest="command",
        metavar="COMMAND",
        required=True,
        parser_class=_Parser,
        prog="amlready",
    )
    chosen = [name for name in arguments[:1] if name in COMMANDS]
    for name in chosen or COMMANDS:
        COMMANDS[name](commands)
    return root


_Commands = argparse._SubParsersAction  # argparse's own name for what add_subparsers returns


class _Version(argparse.Action):
    def __call__(self, *_: object) -> NoReturn:
        from .schema import SDK

        print(f"amlready {__version__} (schemas of {SDK})")
        raise SystemExit(OK)


def _command(
    commands: _Commands[argparse.ArgumentParser], name: str, function: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    """A subcommand: its function's docstring is its help."""
    text = function.__doc__ or ""
    command = commands.add_parser(
        name, help=text.partition("\n")[0], description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.set_defaults(function=function)
    return command


def _reporting(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--format", choices=formats.NAMES, help="how findings are written (text; on GitHub Actions github)"
    )
    command.add_argument("--only", action="append", metavar="RULE", default=[], help="this rule only; repeatable")
    command.add_argument(
        "--level", choices=[str(each) for each in Level], default="note", help="this level and graver ones only (note)"
    )


def _overriding(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--set", action="append", metavar="KEY=VALUE", default=[], help="override a value, as az ml does"
    )
    command.add_argument("--name", help="override the name, as az ml does")
    command.add_argument("--endpoint-name", metavar="NAME", help="override the deployments' endpoint, as az ml does")


def _check(commands: _Commands[argparse.ArgumentParser]) -> None:
    command = _command(commands, "check", check)
    command.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="folders or files; - is standard input (default: the working directory)",
    )
    _reporting(command)
    mending = command.add_mutually_exclusive_group()
    mending.add_argument("--fix", action="store_true", help="mend what has one right answer, then check again")
    mending.add_argument("--diff", action="store_true", help="show what --fix would change")
    _overriding(command)
    command.add_argument("--var", action="append", metavar="NAME=VALUE", default=[], help="fill in a placeholder")
    command.add_argument("--stdin-filename", metavar="FILE", help="the file that standard input stands for")


def check(options: argparse.Namespace) -> int:
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


def report(found: Sequence[Diagnostic], options: argparse.Namespace, checked: str) -> int:
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


def _score(commands: _Commands[argparse.ArgumentParser]) -> None:
    command = _command(commands, "score", score)
    command.add_argument(
        "requests",
        nargs="*",
        metavar="REQUEST",
        help="request files (default: sample-request.json, or one of a like name, with the deployment)",
    )
    _choosing(command)
    command.add_argument(
        "--timeout", type=float, default=60, metavar="SECONDS", help="most time for init() and for each request (60)"
    )
    _reporting(command)


def _choosing(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-f",
        "--file",
        type=Path,
        metavar="DEPLOYMENT",
        help="the deployment's file (default: the only one in this folder or, if none, below it)",
    )
    command.add_argument("--model", type=Path, metavar="PATH", help="the files of a model that is registered in Azure")


def score(options: argparse.Namespace) -> int:
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


def _serve(commands: _Commands[argparse.ArgumentParser]) -> None:
    command = _command(commands, "serve", serve)
    _choosing(command)
    command.add_argument(
        "--port", type=int, default=5001, help="where the endpoint listens; 0 takes a free port (5001)"
    )
    command.add_argument(
        "--root",
        type=Path,
        default=Path(".amlready/collected"),
        metavar="DIR",
        help="where collected data goes (.amlready/collected)",
    )


def serve(options: argparse.Namespace) -> int:
    """Run the deployment on this machine and collect its data, until Ctrl-C.

    Microsoft's inference server runs the scoring script, Microsoft's Collector sends the data, and an agent in place of
    Azure's writes it as Azure would. azmlinfsrv listens on all interfaces; it has no option for that.
    """
    from .local import endpoint
    from .local.resolve import choose, resolve

    deployment, _ = choose(options.file)
    return endpoint.serve([resolve(deployment, options.model)], root=options.root, port=options.port)


def _invoke(commands: _Commands[argparse.ArgumentParser]) -> None:
    command = _command(commands, "invoke", invoke)
    command.add_argument(
        "request",
        nargs="?",
        metavar="FILE",
        default="sample-request.json",
        help="the request's body; - for standard input (sample-request.json)",
    )
    command.add_argument("--uri", default="http://127.0.0.1:5001/score", help="the scoring URI (%(default)s)")
    command.add_argument("--client-request-id", metavar="ID", help="the correlation id to send (a fresh one)")
    command.add_argument(
        "--timeout", type=float, default=60, metavar="SECONDS", help="longest wait for the answer (60)"
    )


def invoke(options: argparse.Namespace) -> int:
    """Send a request to a running endpoint and print status, answer, latency and correlation id."""
    from . import invoke as command

    file = None if options.request == "-" else Path(options.request)
    return command.invoke(file, options.uri, client_request_id=options.client_request_id, timeout=options.timeout)


def _collected(commands: _Commands[argparse.ArgumentParser]) -> None:
    command = _command(commands, "collected", collected)
    command.add_argument(
        "root",
        nargs="?",
        type=Path,
        default=Path(".amlready/collected"),
        metavar="DIR",
        help="a tree of collected data, local or downloaded (.amlready/collected)",
    )
    command.add_argument("--endpoint", help="this endpoint only")
    command.add_argument("--deployment", help="this deployment only")
    command.add_argument("--collection", help="show the rows of this collection; two, with a comma, to --join")
    command.add_argument("--rows", action="store_true", help="show the rows of every collection")
    command.add_argument(
        "--join", action="store_true", help="inputs and outputs side by side, by correlation id and row"
    )
    command.add_argument(
        "--since", metavar="TIME", help="events from this time on: 30m, 2h, 1d ago, or a UTC time in ISO 8601"
    )
    command.add_argument("--until", metavar="TIME", help="events before this time, written likewise")
    command.add_argument(
        "--format", choices=("table", "csv", "json"), default="table", help="how it is written (table)"
    )


def collected(options: argparse.Namespace) -> int:
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


def _explain(commands: _Commands[argparse.ArgumentParser]) -> None:
    command = _command(commands, "explain", explain)
    command.add_argument("rule", nargs="?", metavar="RULE", help="a rule's name; none lists them all")
    command.add_argument("--all", action="store_true", help="every manual page, as Markdown")


def explain(options: argparse.Namespace) -> int:
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


def _plan(commands: _Commands[argparse.ArgumentParser]) -> None:
    command = _command(commands, "plan", plan)
    command.add_argument(
        "-f",
        "--file",
        type=Path,
        metavar="FILE",
        help="what `az ml ... create -f FILE` alone sends (default: the whole road)",
    )
    _overriding(command)
    shape = command.add_mutually_exclusive_group()
    shape.add_argument("--format", choices=("tree", "json"), default="tree", help="how it is written (tree)")
    shape.add_argument("--curl", action="store_true", help="as commands for curl, without a token")
    command.add_argument(
        "--against", type=Path, metavar="STATE.json", help="what would change: a file of `az ml ... show -o json`"
    )


def plan(options: argparse.Namespace) -> int:
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


def _init(commands: _Commands[argparse.ArgumentParser]) -> None:
    command = _command(commands, "init", init)
    command.add_argument(
        "folder", type=Path, metavar="DIR", help="where to; what is there already is never overwritten"
    )
    command.add_argument(
        "--kind",
        choices=("sklearn", "mlflow", "custom"),
        help="what runs behind it (by --model and --image, else sklearn)",
    )
    command.add_argument("--name", metavar="ENDPOINT", help="the endpoint's name (by the folder's)")
    command.add_argument("--model", type=Path, metavar="PATH", help="a pickled scikit-learn model, or an MLflow folder")
    command.add_argument("--image", help="the image of a custom container")


def init(options: argparse.Namespace) -> int:
    """Write the skeleton of an endpoint for a model of your own.

    The result passes `amlready check`; what is left to fill in is listed.
    """
    from . import scaffold

    return scaffold.init(options.folder, kind=options.kind, name=options.name, model=options.model, image=options.image)


def _schema(commands: _Commands[argparse.ArgumentParser]) -> None:
    command = _command(commands, "schema", schema)
    command.add_argument(
        "kind", metavar="KIND", help="managed-online-deployment, model, ...; any other word lists them"
    )


def schema(options: argparse.Namespace) -> int:
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
    "check": _check,
    "score": _score,
    "serve": _serve,
    "invoke": _invoke,
    "collected": _collected,
    "plan": _plan,
    "init": _init,
    "explain": _explain,
    "schema": _schema,
}
"""The subcommands, each with the function that declares its options."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    try:
        options = parser(sys.argv[1:] if arguments is None else arguments).parse_args(arguments)
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
    # A check makes many small values and no garbage in cycles; looking for some costs a tenth of the time.
    gc.set_threshold(100_000, 50, 100)
    raise SystemExit(main())
