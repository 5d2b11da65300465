"""The tables of imports and distributions, against the distributions that are installed here."""

from __future__ import annotations

import importlib.metadata
import re

import pytest

from amlready.imports import _brings, _providers, brought, is_standard, providers
from amlready.packages import normalise

INSTALLED = {normalise(each.metadata["Name"]): each for each in importlib.metadata.distributions()}


def required(distribution: importlib.metadata.Distribution) -> set[str]:
    """What a distribution needs, extras and other systems aside."""
    names = set()
    for line in distribution.requires or ():
        requirement, _, marker = line.partition(";")
        if "extra" not in marker and "win" not in marker.lower():
            names.add(normalise(re.match(r"[\w.-]+", requirement.strip())[0]))
    return names


def test_everything_that_is_brought_or_provides_is_itself_in_the_table():
    brings = _brings()
    assert {name for more in brings.values() for name in more} <= brings.keys()
    rare = {name for names in _providers().values() for name in names[1:]}
    assert {name for names in _providers().values() for name in names} - brings.keys() <= rare | {"tritonclient"}


@pytest.mark.parametrize("name", sorted(INSTALLED.keys() & _brings().keys()))
def test_a_distribution_brings_all_that_matters_of_what_it_requires(name):
    closure = brought([(name, ())])
    assert closure is not None
    matter = {provider for names in _providers().values() for provider in names}
    assert required(INSTALLED[name]) & matter <= closure


def test_an_import_is_provided_by_the_distribution_that_installs_it():
    """For every import of the table that is installed here."""
    packages = importlib.metadata.packages_distributions()
    checked = 0
    for module, names in _providers().items():
        if "." not in module and module in packages:
            assert normalise(packages[module][0]) in names, module
            checked += 1
    assert checked > 20


@pytest.mark.parametrize(
    ("module", "first"),
    [
        ("sklearn.linear_model", "scikit-learn"),
        ("PIL.Image", "pillow"),
        ("cv2", "opencv-python"),
        ("azure.storage.blob.aio", "azure-storage-blob"),
        ("azureml.ai.monitoring.context", "azureml-ai-monitoring"),
        ("google.protobuf", "protobuf"),
    ],
)
def test_a_module_is_told_by_its_longest_known_beginning(module, first):
    assert providers(module)[0] == first


@pytest.mark.parametrize(
    "module", ["azure", "google", "azure.nothing", "azureml", "our_package", "os", "sklearning", ""]
)
def test_nothing_is_said_of_modules_that_are_not_known(module):
    assert providers(module) == ()


@pytest.mark.parametrize(("module", "standard"), [("os.path", True), ("numpy", False), ("importlib.resources", True)])
def test_the_standard_library_is_told(module, standard):
    assert is_standard(module) == standard


def test_what_is_brought_goes_all_the_way_down():
    found = brought([("azureml-ai-monitoring", ())])
    assert found is not None
    assert {"pandas", "numpy", "requests", "python-dateutil"} <= found
    assert "scikit-learn" not in found


@pytest.mark.parametrize("names", [[("our-package", ())], [("numpy", ()), ("dask", ())], [("uvicorn", ("odd",))]])
def test_a_distribution_or_extra_that_is_not_known_may_bring_anything(names):
    assert brought(names) is None


def test_known_extras_add_what_they_add():
    found = brought([("inference-schema", ("numpy-support",))])
    assert found is not None
    assert "numpy" in found
