"""Rules: what they are, which there are, and how they run.

A rule is one function. Its name is the rule's name, its annotations are what it reads, its docstring is its manual page
and, with `Bad::` and `Good::`, its test. The engine gives it subjects and stamps its name on what it yields.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Protocol

from ..diagnostic import Diagnostic, Level, Problem, Related
from ..frozen import frozen, replace
from ..ignore import Ignores, collect, suppress
from ..sharing import Findings, run_shared, shares
from ..source import Source
from ..specs import AnySpec, Deployment, Environment, Project

if TYPE_CHECKING:
    from ..local.evidence import Trial

SUBJECTS = (
    "Project",
    "Endpoint",
    "Deployment",
    "Model",
    "Environment",
    "Conda",
    "Script",
    "Request",
    "Data",
    "Monitor",
    "Trial",
    "Fault",
    "Ignores",
)
"""What a rule may ask for, by annotation. There is a Trial only when a scoring script was tried, by `score`."""

STATIC = (
    *("spec", "endpoint", "deployment", "collector", "model", "environment"),
    *("score", "request", "data", "monitor"),
)
"""One module, or folder of modules, for each file that a caret can point at; `spec` holds for all of them."""

MODULES = (*STATIC, "trial")
"""All of them: `trial` holds what only running the scoring script can tell."""


class Check(Protocol):
    """The shape of a rule's function."""

    __name__: str
    __annotations__: dict[str, object]
    __code__: object

    def __call__(self, *subjects: object) -> Iterator[Problem]: ...


@frozen
class Rule:
    """A registered rule; `subjects` are the names of the types it reads, in the order of its parameters."""

    name: str
    level: Level
    function: Callable[..., Iterator[Problem]]
    subjects: tuple[str, ...]

    @property
    def module(self) -> str:
        """The one of MODULES that it lives in."""
        return self.function.__module__.removeprefix(__name__ + ".").partition(".")[0]

    @property
    def manual(self) -> str:
        """The whole manual page."""
        import inspect  # 8 ms that a check does not need

        return inspect.cleandoc(self.function.__doc__ or "")

    @property
    def summary(self) -> str:
        """The page's first sentence."""
        return self.manual.partition("\n")[0]


_registry: dict[str, Rule] = {}


def rule(level: Level) -> Callable[[Callable[..., Iterator[Problem]]], Callable[..., Iterator[Problem]]]:
    """Register a function as a rule. An unknown annotation or a second rule of the same name fails at import."""

    def register(function: Callable[..., Iterator[Problem]]) -> Callable[..., Iterator[Problem]]:
        annotations = {key: str(value) for key, value in function.__annotations__.items() if key != "return"}
        where = f"{function.__module__}.{function.__name__}"
        unknown = [value for value in annotations.values() if value not in SUBJECTS]
        assert annotations, f"{where} has no annotations; a rule reads {', '.join(SUBJECTS)}"
        assert not unknown, f"{where}: {unknown}; a rule reads {', '.join(SUBJECTS)}"
        name = function.__name__.replace("_", "-")
        assert name not in _registry, f"{where}: there is already a rule {name}"
        _registry[name] = Rule(name, level, function, tuple(annotations.values()))
        return function

    return register


@cache
def rules() -> dict[str, Rule]:
    """Every rule by name."""
    return dict(sorted(_imported(MODULES).items()))


NEEDS = {
    "endpoint": {"Endpoint"},
    "deployment": {"Deployment"},
    "collector": {"Deployment"},
    "model": {"Model"},
    "environment": {"Environment", "Conda"},
    "score": {"Script"},
    "request": {"Request"},
    "data": {"Data"},
    "monitor": {"Monitor"},
}
"""Modules whose rules all read one of these; where there is none, the module need not be imported."""


@cache
def static(present: frozenset[str] = frozenset(SUBJECTS)) -> tuple[Rule, ...]:
    """The rules that read files only, of those modules that have something to read."""
    modules = [each for each in STATIC if each not in NEEDS or NEEDS[each] & present]
    chosen = (one for one in _imported(modules).values() if one.module in modules)
    return tuple(one for one in chosen if "Trial" not in one.subjects)


def _imported(modules: Iterable[str]) -> dict[str, Rule]:
    for module in modules:
        importlib.import_module(f".{module}", __name__)
    return _registry


def run(project: Project, chosen: Iterable[Rule] | None = None) -> list[Diagnostic]:
    """What the rules (all, unless some are chosen) find in a project, sorted by place, ignore comments obeyed."""
    given = None if chosen is None else [one for one in chosen if "Trial" not in one.subjects]
    parts = shares(project.specs)
    if len(parts) > 1:
        static()  # imported here, or every process would

    def checked(specs: Sequence[AnySpec]) -> Findings:
        return _checked(project, specs, given)

    everything, present = run_shared(parts, checked, project.sources)
    active = static(present) if given is None else given
    everything.update(_apply(active, [_whole(project)]))
    found = _merged(_without(everything, project))
    ignores = suppress(collect(_reported(project)), found, {one.name for one in active}, rules)
    remarks = _apply((one for one in active if "Ignores" in one.subjects), [{"Ignores": [ignores]}])
    return sorted(ignores.kept | set(remarks), key=lambda each: each.order)


PORTION = 50
"""Specs whose scripts are in memory at a time; a project may have thousands."""


def _checked(project: Project, specs: Sequence[AnySpec], given: Sequence[Rule] | None) -> Findings:
    """What is found in some of the specs, and which subjects there are."""
    found: set[Diagnostic] = set()
    present: set[str] = set()
    for start in range(0, len(specs), PORTION):
        portion = specs[start : start + PORTION]
        contexts = list(_contexts(project, portion))
        present.update(name for context in contexts for name in context)
        active = static(frozenset(present)) if given is None else given
        found.update(_apply((one for one in active if one.subjects != ("Project",)), contexts))
        if len(specs) > PORTION:
            _release(portion)
    return found, frozenset(present)


def _release(specs: Iterable[AnySpec]) -> None:
    for each in specs:
        if isinstance(each, Deployment):
            each.release()


def _reported(project: Project) -> list[Source]:
    return [source for path, source in project.sources.items() if path not in project.context]


def _without(found: set[Diagnostic], project: Project) -> set[Diagnostic]:
    """Leave out what follows from an unfilled placeholder, and what is in files that are only there for context."""
    unfilled = [each.problem.span for each in found if each.rule == "unfilled-placeholder"]
    return {
        each
        for each in found
        if each.problem.span.source.path not in project.context
        and (each.rule == "unfilled-placeholder" or not any(map(each.problem.span.overlaps, unfilled)))
    }


_RELATED = 5
"""Most other places that one finding names."""


def _merged(found: set[Diagnostic]) -> set[Diagnostic]:
    """One finding for each fault of a file that several others share, with the places in all of them."""
    groups: dict[Diagnostic, dict[Related, None]] = {}
    for each in sorted(found, key=lambda each: each.order):
        groups.setdefault(_with(each, ()), {}).update(dict.fromkeys(each.problem.related))
    return {_with(alone, tuple(related)[:_RELATED]) for alone, related in groups.items()}


def _with(found: Diagnostic, related: tuple[Related, ...]) -> Diagnostic:
    problem = found.problem
    return found if problem.related == related else replace(found, problem=replace(problem, related=related))


def judge(trial: Trial, deployment: Deployment) -> list[Diagnostic]:
    """What the rules about trials find in one, sorted by place, ignore comments obeyed."""
    active = [one for one in rules().values() if "Trial" in one.subjects]
    context: _Context = {**_around(deployment), "Trial": [trial]}
    found = set(_apply(active, [context]))
    sources = {each.problem.span.source for each in found}
    return sorted(suppress(collect(sources), found, set(), rules).kept, key=lambda each: each.order)


_Context = dict[str, list[object]]


def _apply(active: Iterable[Rule], contexts: Sequence[_Context]) -> Iterator[Diagnostic]:
    """Run rules once for every distinct set of subjects that they ask for and that is there."""
    by_subjects: dict[tuple[str, ...], list[Rule]] = {}
    for one in active:
        by_subjects.setdefault(one.subjects, []).append(one)
    for names, ones in by_subjects.items():
        for subjects in _distinct(names, contexts):
            for one in ones:
                for problem in one.function(*subjects):
                    yield Diagnostic(one.name, one.level, problem)


def _distinct(names: tuple[str, ...], contexts: Sequence[_Context]) -> list[tuple[object, ...]]:
    found: dict[tuple[int, ...], tuple[object, ...]] = {}
    for context in contexts:
        if all(name in context for name in names):
            for subjects in product(*(context[name] for name in names)):
                found.setdefault(tuple(map(id, subjects)), subjects)
    return list(found.values())


def _whole(project: Project) -> _Context:
    """Subjects that are the whole project's."""
    return {"Project": [project], "Fault": list(project.faults)}


def _contexts(project: Project, specs: Iterable[AnySpec]) -> Iterator[_Context]:
    """Subjects that belong together: each deployment with what it refers to, and each spec by itself."""
    whole: _Context = {"Project": [project]}
    for spec in specs:
        if isinstance(spec, Deployment):
            yield {**whole, **_around(spec)}
        context: _Context = {**whole, type(spec).__name__: [spec]}
        if isinstance(spec, Environment) and spec.conda is not None:
            context["Conda"] = [spec.conda]
        yield context


def _around(deployment: Deployment) -> _Context:
    environment = deployment.environment
    parts: dict[str, object | None] = {
        "Deployment": deployment,
        "Endpoint": deployment.endpoint,
        "Model": deployment.model,
        "Environment": environment,
        "Conda": environment.conda if environment else None,
        "Script": deployment.script,
    }
    context: _Context = {name: [value] for name, value in parts.items() if value is not None}
    if deployment.requests:
        context["Request"] = list(deployment.requests)
    if deployment.faults:
        context["Fault"] = list(deployment.faults)
    return context


__all__ = ["MODULES", "SUBJECTS", "Ignores", "Rule", "judge", "rule", "rules", "run"]
