"""Facts about scoring scripts."""

from __future__ import annotations

import sys
from pathlib import Path

from amlready import script
from amlready.diagnostic import Problem
from amlready.script import Module, Script
from amlready.source import Source


def module(text: str) -> Module:
    found = script.parse(Source(Path("score.py"), text))
    assert isinstance(found, Module)
    return found


def loaded(files: dict[str, str]) -> Script:
    sources = {Path(name): Source(Path(name), text) for name, text in files.items()}
    found = script.load(sources[Path("score.py")], Path("."), sources.get)
    assert isinstance(found, Script)
    return found


def test_places_count_characters_although_python_counts_bytes():
    found = module("x = 'éé', call(1)\n")
    call = next(node for node, _ in found.nodes if type(node).__name__ == "Call")
    assert found.span(call).text == "call(1)"
    assert found.span(call).column == 11


def test_places_are_right_with_windows_line_ends():
    found = module("import os\r\n\r\ndef init():\r\n    é = open('x')\r\n")
    call = next(node for node, _ in found.nodes if type(node).__name__ == "Call")
    assert (found.span(call).line, found.span(call).text) == (4, "open('x')")


def test_imports_are_resolved_in_every_form():
    for text in [
        "from azureml.ai.monitoring import Collector\nCollector(name='a')",
        "from azureml.ai.monitoring import Collector as C\nC(name='a')",
        "import azureml.ai.monitoring\nazureml.ai.monitoring.Collector(name='a')",
        "import azureml.ai.monitoring as m\nm.Collector(name='a')",
        "from azureml.ai import monitoring\nmonitoring.Collector(name='a')",
        "from azureml.ai.monitoring.collector import Collector\nCollector(name='a')",
    ]:
        assert len(loaded({"score.py": text}).collectors) == 1, text


def test_another_library_s_collector_is_not_taken_for_this_one():
    assert loaded({"score.py": "from prometheus import Collector\nCollector(name='a')"}).collectors == []


def test_neighbouring_modules_are_followed_and_cycles_end():
    found = loaded(
        {
            "score.py": "from batching import Batch\nimport package.inner",
            "batching.py": "import score\nfrom azureml.ai.monitoring import Collector\nCollector(name='a')",
            "package/__init__.py": "",
            "package/inner.py": "from azureml.ai.monitoring import Collector\nCollector(name='b')",
        }
    )
    names = {script.literal(call.module, call.argument(0, "name")) for call in found.collectors}
    assert names == {"a", "b"}


def test_a_syntax_error_in_a_neighbour_is_a_fault_and_the_script_stays():
    found = loaded({"score.py": "import other", "other.py": "def ("})
    assert [fault.span.source.path.name for fault in found.faults] == ["other.py"]


def test_a_name_bound_once_to_text_is_as_good_as_the_text():
    found = module("NAME = 'model_inputs'\nx = NAME\n")
    names = [node for node, _ in found.nodes if getattr(node, "id", "") == "NAME"]
    assert script.literal(found, names[-1]) == "model_inputs"
    twice = module("NAME = 'a'\nNAME = 'b'\nx = NAME\n")
    names = [node for node, _ in twice.nodes if getattr(node, "id", "") == "NAME"]
    assert script.literal(twice, names[-1]) is None


def test_what_python_cannot_read_is_a_problem_at_its_place():
    for text, line in [("def init(:\n", 1), ("x = 1\n  y = 2", 2), ("x = '\n", 1), ("a = \x00", 1)]:
        found = script.parse(Source(Path("score.py"), text))
        assert isinstance(found, Problem)
        assert found.span.line == line


def test_an_expression_nested_too_deep_is_a_problem_and_not_a_crash():
    for text in ["(" * 100_000, "x = " + "-" * 100_000 + "1", "x = " + "1+" * 100_000 + "1", "[" * 150 + "]" * 150]:
        found = script.parse(Source(Path("score.py"), text))
        if isinstance(found, Module):
            assert found.nodes


def test_the_interpreter_s_recursion_limit_is_left_alone():
    before = sys.getrecursionlimit()
    script.parse(Source(Path("score.py"), "(" * 1000))
    assert sys.getrecursionlimit() == before
