"""What the scoring script imports, against what the environment installs."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ...diagnostic import Level, Problem, Related
from ...frozen import once
from ...imports import installed, is_standard, providers
from ...packages import normalise
from ...reach import imported_modules, imports
from ...script import Script
from ...specs import Conda, Deployment
from ...syntax import Module
from .. import rule
from ..deployment.container import runs_inference_server
from ..environment.packages import packages_span

_OTHERS = ("azureml-ai-monitoring", "azureml-inference-server-http")
"""Distributions whose absence has a rule of its own."""


@rule(Level.ERROR)
def import_not_installed(script: Script, deployment: Deployment, conda: Conda) -> Iterator[Problem]:
    """The script imports a package that the conda file does not install.

    The worker ends with `ModuleNotFoundError`, and the container never becomes ready ("Troubleshoot online endpoints",
    missing package): packages of the base image are not visible in the environment that a conda file makes. Imports in
    `try`, under `if TYPE_CHECKING` and in functions other than init() and run() are left alone, as is everything when
    the conda file lists a package that is not known here, which might bring the missing one along.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - azureml-inference-server-http==1.5.1
              - scikit-learn==1.9.1

        # src/score.py
        import joblib
        import pandas as pd

        def init():
            pass

        def run(data):
            return pd.DataFrame(data).to_dict()

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - azureml-inference-server-http==1.5.1
              - scikit-learn==1.9.1
              - pandas==3.1.1

        # src/score.py
        import joblib
        import pandas as pd

        def init():
            pass

        def run(data):
            return pd.DataFrame(data).to_dict()
    """
    known = installed(conda.packages)
    if known is None or not runs_inference_server(deployment) or _installs_itself(script):
        return
    here = script.beside | (deployment.code.names if deployment.code else frozenset())
    said: set[str] = set()
    for module, node, name in _certain(script):
        top = name.partition(".")[0]
        names = providers(name)
        if not names or is_standard(name) or {top, top + ".py"} & here or known.intersection(names):
            continue
        if names[0] not in said and not set(_OTHERS).intersection(names):
            said.add(names[0])
            related = (Related(packages_span(conda), f"add {names[0]} here, under pip"),)
            yield Problem(module.span(node), f"{names[0]} is not installed, and this import needs it", related)


@once
def _certain(script: Script) -> list[tuple[Module, ast.stmt, str]]:
    found = [(module, node, name) for module in imported_modules(script) for node, name in imports(module)]
    for function in (script.init, script.run):
        if function is not None:
            found += [(script.main, node, name) for node, name in imports(script.main, function)]
    return found


@once
def _installs_itself(script: Script) -> bool:
    """Whether a script may install packages, or look for modules elsewhere, before it imports them."""
    for module in script.modules:
        texts = {node.value for node in module.of(ast.Constant) if isinstance(node.value, str)}
        if {"pip", "install"} <= texts or any("pip install" in each for each in texts):
            return True
        if any(module.qualified(node).startswith(("sys.path", "site.addsitedir")) for node in module.of(ast.Attribute)):
            return True
    return False


@rule(Level.NOTE)
def import_of_nothing_listed(script: Script, deployment: Deployment, conda: Conda) -> Iterator[Problem]:
    """The script imports a module that nothing in the conda file is known to install.

    It is no module of Python, not in the code folder, and no listed package has its name. It may still come along with
    one of them, so this is only a note; if it does not, the worker ends with `ModuleNotFoundError`. Reported only when
    all packages in the conda file are known ones.

    Bad::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - azureml-inference-server-http==1.5.1
              - scikit-learn==1.9.1

        # src/score.py
        from our_features import prepare

        def init():
            pass

        def run(data):
            return prepare(data)

    Good::

        # conda.yaml
        channels: [conda-forge]
        dependencies:
          - python=3.12
          - pip=26.1.1
          - pip:
              - azureml-inference-server-http==1.5.1
              - scikit-learn==1.9.1

        # src/score.py
        from our_features import prepare

        def init():
            pass

        def run(data):
            return prepare(data)

        # src/our_features.py
        def prepare(data):
            return data
    """
    known = installed(conda.packages)
    if known is None or not runs_inference_server(deployment) or _installs_itself(script):
        return
    here = {each.removesuffix(".py") for each in script.beside | (deployment.code.names if deployment.code else set())}
    said: set[str] = set()
    for module, node, name in _certain(script):
        top = name.partition(".")[0]
        shared = top in ("azure", "azureml", "google", "zoneinfo") or providers(name) or is_standard(name)
        if shared or top in here | said or normalise(top) in known or top.startswith("_"):
            continue
        if top not in _LEAVES:
            said.add(top)
            message = f"nothing in the conda file is known to install {top!r}"
            yield Problem(
                module.span(node), message, (Related(packages_span(conda), "what is installed is listed here"),)
            )


_LEAVES = frozenset(
    (
        *("attr", "attrs", "certifi", "chardet", "charset_normalizer", "colorama", "cycler", "dateutil", "filelock"),
        *(
            "idna",
            "kiwisolver",
            "markupsafe",
            "mpl_toolkits",
            "packaging",
            "pip",
            "pkg_resources",
            "pylab",
            "pyparsing",
        ),
        *("setuptools", "six", "tblib", "threadpoolctl", "tomli", "typing_extensions", "urllib3", "wheel", "zipp"),
        *("absl", "astunparse", "flatbuffers", "gast", "google_auth_httplib2", "importlib_metadata", "pyasn1", "rsa"),
        *("blinker", "itsdangerous", "click", "asgiref", "opentelemetry", "pkg_resources", "jwt", "cryptography"),
    )
)
"""Modules that come along with well-known packages under their own or another name."""
