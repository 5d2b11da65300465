"""azure-ai-ml's verdict and ours, on every valid spec, on thousands of mutants, and on what mutants seldom meet."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from parity.oracle import disagreement, refusal, verdict
from parity.specs import SPECS, lay_out

FIXED = (20251, 20252)
MINUTES = 8 * 60


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parity") / "specs"
    folder.mkdir()
    lay_out(folder)
    return folder


@pytest.mark.parametrize(("family", "text"), SPECS)
def test_both_accept_every_valid_spec(folder: Path, family: str, text: str) -> None:
    path = folder / "spec.yml"
    path.write_text(text)
    assert refusal(family, path) is None
    assert verdict(family, path).problems == ()


def _compare(runs: list[tuple[int, int]]) -> None:
    """Mutants of every seed, each seed in a process of its own."""
    command = [sys.executable, str(Path(__file__).parent / "parity")]
    started = [
        subprocess.Popen([*command, str(seed), str(count)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for seed, count in runs
    ]
    try:
        for process in started:
            output, errors = process.communicate(timeout=MINUTES)
            assert process.returncode == 0, (output or errors)[-6000:]
            assert output.endswith(" mutants, 0 disagreements\n")
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_both_agree_on_thousands_of_mutants() -> None:
    _compare([(seed, 1500) for seed in FIXED])


def test_both_agree_on_a_thousand_mutants_that_nobody_has_seen() -> None:
    seed = random.SystemRandom().randrange(10**9)
    print(f"python tests/parity {seed} 500; python tests/parity {seed + 1} 500")
    _compare([(seed, 500), (seed + 1, 500)])


LEAST = "name: blue\nendpoint_name: my-endpoint\ninstance_type: x\n"

RARE = [
    ("deployment", LEAST + "environment: {name: '', version: 1, image: i}"),
    ("deployment", LEAST + "environment: {name: '', version: null, image: i}"),
    ("deployment", LEAST + "environment: {name: !!binary '', version: 1, image: i}"),
    ("deployment", LEAST + 'environment: {image: "\\ud800"}'),
    ("deployment", LEAST + "environment: {image: i, version: [1]}"),
    ("deployment", LEAST + "environment: {image: i, version: null, name: 5}"),
    ("deployment", LEAST + "environment: {build: {path: context}, conda_file: []}"),
    ("deployment", LEAST + "model: {path: nothing}"),
    ("deployment", LEAST + f"instance_count: {'9' * 5000}"),
    ("deployment", LEAST + f"instance_count: 0x{'f' * 5000}"),
    ("deployment", LEAST + f"model: {{name: m, version: 0x{'f' * 5000}}}"),
    ("deployment", LEAST + f"data_collector: {{collections: {{}}, sampling_rate: 0x{'f' * 5000}}}"),
    ("deployment", LEAST + "data_collector: {collections: {!!binary bQ==: {enabled: 'true'}}}"),
    ("deployment", LEAST + 'app_insights_enabled: "\\u212A"'),
    ("deployment", LEAST + 'model: {path: model, type: "mlfl\\u006fw_model"}'),
    ("deployment", LEAST + "data_collector: {collections: {}, request_logging: {capture_headers: !!set {a, b}}}"),
    ("deployment", LEAST + "liveness_probe: &p {period: 1}\nreadiness_probe: *p"),
    ("deployment", LEAST + "liveness_probe: &p {period: 1}\nreadiness_probe: {<<: *p, timeout: 1, period: a}"),
    ("deployment", "name: blue\nendpoint_name: my-endpoint\ntype: Kubernetes"),
    ("deployment", "name: blue\nendpoint_name: my-endpoint\ntype: KUBERNETES\nresources: {}"),
    ("deployment", LEAST + "type: Kubernetes"),
    ("deployment", LEAST + "type: kubernetes\nresources: {limits: {gpu: 1, nvidia.com/gpu: '1'}}"),
    ("deployment", LEAST + "type: kubernetes\nresources: {limits: {nvidia.com/gpu: '1', gpu: 1}}"),
    ("deployment", LEAST + "type: kubernetes\ncode_configuration: {code: 'azureml://registries/r/codes/c/versions/1'}"),
    ("endpoint", "name: my-endpoint\ntraffic: {a: 60, !!binary YQ==: 60}"),
    ("endpoint", "name: my-endpoint\ncompute: [azureml:a]"),
    ("endpoint", 'name: "my-endpoint\\n"'),
    ("model", 'name: m\npath: "a\\0"'),
    ("model", 'name: m\npath: "/a\\0"'),
    ("model", 'name: m\npath: "https://a/\\0"'),
    ("data", 'name: m\npath: "RUNS:\\0"'),
    ("monitor", "name: m\ntrigger: {type: cron, expression: x}"),
    ("monitor", "name: m\ncreate_job: nosuch"),
]


@pytest.mark.parametrize(("family", "text"), RARE)
def test_both_agree_on_what_mutants_seldom_meet(folder: Path, family: str, text: str) -> None:
    path = folder / "spec.yml"
    path.write_text(text)
    assert disagreement(family, path) is None
