"""Imports that documents of other days, or of the first version of Azure ML, still show."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from ...diagnostic import Edit, Level, Problem
from ...script import Script
from ...specs import Conda
from ...syntax import Module
from .. import rule

_OLD, _NEW = "azure.ai.monitoring", "azureml.ai.monitoring"


@rule(Level.ERROR)
def collector_module(script: Script) -> Iterator[Problem]:
    """The Collector is imported from `azure.ai.monitoring`, a module that does not exist.

    The documentation of 2023 had it so; the distribution `azureml-ai-monitoring` installs `azureml.ai.monitoring`. The
    import fails with `No module named 'azure.ai.monitoring'`, and the container never becomes ready.

    Bad::

        # src/score.py
        from azure.ai.monitoring import Collector
        from azure.ai.monitoring.context import BasicCorrelationContext

    Good::

        # src/score.py
        from azureml.ai.monitoring import Collector
        from azureml.ai.monitoring.context import BasicCorrelationContext
    """
    for module in script.modules:
        for node, name in _imports(module):
            if name == _OLD or name.startswith(_OLD + "."):
                span = module.span(node)
                at = span.start + span.text.find(_OLD)
                place = module.source.span(at, at + len(_OLD))
                is_plain = isinstance(node, ast.ImportFrom) or " as " in span.text
                fix = (Edit(place, _NEW),) if is_plain and place.text == _OLD else ()
                yield Problem(place, f"there is no module {_OLD!r}; the Collector is in {_NEW!r}", fix=fix)


def _imports(module: Module) -> Iterator[tuple[ast.stmt, str]]:
    for plain in module.of(ast.Import):
        for each in plain.names:
            yield plain, each.name
    for node in module.of(ast.ImportFrom):
        if not node.level and node.module:
            yield node, node.module


@rule(Level.ERROR)
def first_version_collector(script: Script) -> Iterator[Problem]:
    """The script collects with `azureml.monitoring`, which works only for web services of the first version on AKS.

    `ModelDataCollector` writes only where the first version's AKS deployment has switched it on, by a variable that an
    online endpoint does not set; otherwise `collect()` does nothing (read in azureml-monitoring 0.1.0a21), and users
    report `'ModelDataCollector' object has no attribute '_handle'`. The Collector of `azureml.ai.monitoring`, with a
    `data_collector` in the deployment, is what collects here.

    Bad::

        # src/score.py
        from azureml.monitoring import ModelDataCollector

        def init():
            global inputs
            inputs = ModelDataCollector("my-model", designation="inputs")

    Good::

        # src/score.py
        from azureml.ai.monitoring import Collector

        def init():
            global inputs
            inputs = Collector(name="model_inputs", on_error=print)
    """
    for module in script.modules:
        for node, name in _imports(module):
            if name == "azureml.monitoring" or name.startswith("azureml.monitoring."):
                yield Problem(
                    module.span(node),
                    "azureml.monitoring collects nothing behind an online endpoint; use Collector from "
                    "azureml.ai.monitoring",
                )


@rule(Level.ERROR)
def vendored_joblib(script: Script, conda: Conda) -> Iterator[Problem]:
    """The script imports joblib from scikit-learn, which gave it up in 0.23.

    `from sklearn.externals import joblib` fails with `cannot import name 'joblib' from 'sklearn.externals'` on every
    scikit-learn since May 2020, and the container never becomes ready. joblib is a distribution of its own, installed
    along with scikit-learn. Not reported where the conda file pins an older one.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - scikit-learn=1.9.1

        # src/score.py
        from sklearn.externals import joblib

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.11
          - scikit-learn=1.9.1

        # src/score.py
        import joblib
    """
    pins = [each.condition for each in conda.packages.named("scikit-learn")]
    if not pins or any(re.search(r"[<=~]=?\s*0\.(1\d|2[0-2])\b|^<", each) for each in pins):
        return
    for module in script.modules:
        for node in module.of(ast.ImportFrom):
            if node.module == "sklearn.externals" and [each.name for each in node.names] == ["joblib"]:
                alias = f" as {node.names[0].asname}" if node.names[0].asname else ""
                span = module.span(node)
                fix = (Edit(span, "import joblib" + alias),)
                yield Problem(span, "scikit-learn has no joblib any more: write 'import joblib'", fix=fix)
