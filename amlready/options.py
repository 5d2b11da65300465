"""The options of every command, for argparse. A check of nothing but paths does without them: see `cli`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from . import __version__, cli, formats
from .diagnostic import Level
from .misuse import Misuse


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
    chosen = [name for name in arguments[:1] if name in _DECLARED]
    for name in chosen or _DECLARED:
        _DECLARED[name](commands)
    return root


_Commands = argparse._SubParsersAction  # argparse's own name for what add_subparsers returns


class _Version(argparse.Action):
    def __call__(self, *_: object) -> NoReturn:
        from .schema import SDK

        print(f"amlready {__version__} (schemas of {SDK})")
        raise SystemExit(cli.OK)


def _command(commands: _Commands[argparse.ArgumentParser], name: str) -> argparse.ArgumentParser:
    """A subcommand: its function's docstring is its help."""
    function = cli.COMMANDS[name]
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
    command = _command(commands, "check")
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


def _score(commands: _Commands[argparse.ArgumentParser]) -> None:
    command = _command(commands, "score")
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


def _serve(commands: _Commands[argparse.ArgumentParser]) -> None:
    command = _command(commands, "serve")
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


def _invoke(commands: _Commands[argparse.ArgumentParser]) -> None:
    command = _command(commands, "invoke")
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


def _collected(commands: _Commands[argparse.ArgumentParser]) -> None:
    command = _command(commands, "collected")
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


def _explain(commands: _Commands[argparse.ArgumentParser]) -> None:
    command = _command(commands, "explain")
    command.add_argument("rule", nargs="?", metavar="RULE", help="a rule's name; none lists them all")
    command.add_argument("--all", action="store_true", help="every manual page, as Markdown")


def _plan(commands: _Commands[argparse.ArgumentParser]) -> None:
    command = _command(commands, "plan")
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


def _init(commands: _Commands[argparse.ArgumentParser]) -> None:
    command = _command(commands, "init")
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


def _schema(commands: _Commands[argparse.ArgumentParser]) -> None:
    command = _command(commands, "schema")
    command.add_argument(
        "kind", metavar="KIND", help="managed-online-deployment, model, ...; any other word lists them"
    )


_DECLARED = {
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
"""The functions that declare the options of each subcommand."""
