"""Trials of whole scoring scripts: hostile ones end in a finding, honest ones in none, whatever they do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from waiting import all_ended, until

from amlready import project
from amlready.diagnostic import Diagnostic
from amlready.local import trial
from amlready.local.resolve import Unresolved, resolve

HANGING = 2.0
"""Seconds for what never ends: enough for a busy machine to get to where it hangs."""

INIT = """
    def init():
        pass
"""
RUN = """
    def run(data):
        return []
"""
COLLECTING = """
    import json
    import time

    import pandas as pd
    from azureml.ai.monitoring import Collector
    from azureml.ai.monitoring.context import BasicCorrelationContext

    def init():
        global inputs
        inputs = Collector(name="model_inputs", on_error=print)
"""


@dataclass(frozen=True)
class Case:
    """A scoring script, what its trial finds (the rule, and the line it points at), and the files around it."""

    script: str
    finds: tuple[str, ...] = ()
    deployment: str = ""
    files: Mapping[str, str | bytes] = field(default_factory=dict)

    def write(self, root: Path) -> None:
        collector = "data_collector:\n  collections:\n    model_inputs: {enabled: 'true'}\n"
        texts: dict[str, str | bytes] = {
            "deployment.yml": "name: blue\nendpoint_name: my-endpoint\n"
            "code_configuration:\n  code: src\n  scoring_script: score.py\n"
            + (self.deployment or (collector if "Collector" in self.script else "")),
            "src/score.py": textwrap.dedent(self.script),
            "sample-request.json": '{"data": [[1.5, 2.5]], "id": "a-17"}',
        }
        for name, content in (texts | dict(self.files)).items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())


HOSTILE = {
    "exits in init": Case(
        "import os\ndef init():\n    os._exit(7)\n" + textwrap.dedent(RUN), ("process-ends: def init():",)
    ),
    "exits in run": Case(
        INIT + "    import sys\n    def run(data):\n        sys.exit()\n", ("process-ends: sys.exit()",)
    ),
    "leaves without a word": Case(
        INIT + "    import os\n    def run(data):\n        os._exit(0)\n", ("process-ends: def run(data):",)
    ),
    "crashes in C": Case(
        INIT + "    import ctypes\n    def run(data):\n        ctypes.string_at(0)\n",
        ("process-ends: ctypes.string_at(0)",),
    ),
    "is killed": Case(
        INIT + "    import os\n    def run(data):\n        os.kill(os.getpid(), 9)\n", ("process-ends: def run(data):",)
    ),
    "ignores TERM": Case(
        """
        import signal
        import time

        def init():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                time.sleep(1)

        def run(data):
            return []
        """,
        ("init-hangs: time.sleep(1)",),
    ),
    "replaces signal handlers": Case(
        """
        import signal

        def init():
            for number in (signal.SIGALRM, signal.SIGINT, signal.SIGUSR1):
                signal.signal(number, lambda *_: None)

        def run(data):
            return []
        """
    ),
    "prints without end": Case(
        """
        import sys

        def init():
            while True:
                sys.stderr.write("x" * 1_000_000)

        def run(data):
            return []
        """,
        ('init-hangs: sys.stderr.write("x" * 1_000_000)',),
    ),
    "blocks in C": Case(
        """
        import threading

        def init():
            pass

        def run(data):
            lock = threading.Lock()
            lock.acquire()
            lock.acquire()
        """,
        ("run-hangs: lock.acquire()",),
    ),
    "recurses": Case(
        INIT + "    def down(n):\n        return down(n + 1)\n    def run(data):\n        return down(0)\n",
        ("run-raises: return down(n + 1)",),
    ),
    "becomes another program": Case(
        "import os\ndef init():\n    os.execvp('sleep', ['sleep', '600'])\n" + textwrap.dedent(RUN),
        ("init-hangs: def init():",),
    ),
    "waits for a child of its own": Case(
        "import subprocess\ndef init():\n    subprocess.run(['sleep', '600'])\n" + textwrap.dedent(RUN),
        ("init-hangs: subprocess.run(['sleep', '600'])",),
    ),
    "hangs when imported": Case(
        "import time\ntime.sleep(600)\n" + textwrap.dedent(INIT + RUN), ("init-hangs: time.sleep(600)",)
    ),
    "hangs in a module beside it": Case(
        "import slow\ndef init():\n    slow.load()\n" + textwrap.dedent(RUN),
        ("init-hangs: time.sleep(600)",),
        files={"src/slow.py": "import time\n\ndef load():\n    time.sleep(600)\n"},
    ),
    "forks": Case("import os\ndef init():\n    os.fork()\ndef run(data):\n    os.fork()\n    return []\n"),
    "closes every file": Case("import os\ndef init():\n    os.closerange(0, 256)\n" + textwrap.dedent(RUN)),
    "asks for input": Case("def init():\n    input()\n" + textwrap.dedent(RUN), ("init-fails: input()",)),
    "raises what has no message": Case(
        INIT
        + """
    class Odd(Exception):
        def __str__(self):
            raise RuntimeError

    def run(data):
        raise Odd
    """,
        ("run-raises: raise Odd",),
    ),
    "answers without end": Case(
        INIT
        + """
    from azureml_inference_server_http.api.aml_response import AMLResponse

    def forever():
        while True:
            yield b"x" * 100_000

    def run(data):
        return AMLResponse(forever(), 200)
    """,
        ("answer-too-large: return AMLResponse(forever(), 200)",),
    ),
    "breaks off its answer": Case(
        INIT
        + """
    from azureml_inference_server_http.api.aml_response import AMLResponse

    def parts():
        yield b"x"
        raise ValueError("that was all")

    def run(data):
        return AMLResponse(parts(), 200)
    """,
        ('run-raises: raise ValueError("that was all")',),
    ),
}

FAULTY = {
    "cannot be parsed": Case("def init(:\n    pass\n", ("init-fails: def init(:",)),
    "imports what is not here": Case(
        "import no_such_module\n" + textwrap.dedent(INIT + RUN), ("init-fails: import no_such_module",)
    ),
    "has no run()": Case(INIT, ("init-fails: ",)),
    "has a run() that takes anything": Case(
        INIT + "    def run(*data):\n        return 1\n", ("init-fails: def run(*data):",)
    ),
    "fails behind a package": Case(
        """
        import json

        def init():
            pass

        def run(data):
            return parse("é" + data)

        def parse(text):
            try:
                return json.loads(text)
            except ValueError as error:
                raise RuntimeError("no request") from error
        """,
        ('run-raises: raise RuntimeError("no request") from error',),
    ),
    "fails the second time": Case(
        INIT + "    served = []\n    def run(data):\n        served.append(1)\n        return 1 / (2 - len(served))\n",
        ("run-raises: return 1 / (2 - len(served))",),
    ),
    "is asynchronous": Case(
        INIT + "    async def run(data):\n        return []\n", ("answer-not-serialisable: async def run(data):",)
    ),
    "runs into SCORING_TIMEOUT_MS": Case(
        INIT + "    import time\n    def run(data):\n        time.sleep(1.5)\n",
        ("answer-not-200: def run(data):",),
        deployment="environment_variables:\n  SCORING_TIMEOUT_MS: '200'\n",
    ),
    "swallows what collect() raises": Case(
        COLLECTING
        + """
    def run(data):
        try:
            inputs.collect(pd.DataFrame({"bmi": [1.5]}), "my own id")
        except Exception:
            pass
        return []
    """,
        ('collect-fails: inputs.collect(pd.DataFrame({"bmi": [1.5]}), "my own id")',),
    ),
    "sends an id outside Latin-1": Case(
        COLLECTING
        + """
    def run(data):
        context = BasicCorrelationContext(id=f"日本{time.time_ns()}")
        inputs.collect(pd.DataFrame({"bmi": [1.5]}), context)
        return []
    """,
        ('collector-thread-dies: inputs.collect(pd.DataFrame({"bmi": [1.5]}), context)',),
    ),
    "collects into what is not enabled": Case(
        """
        from azureml.ai.monitoring import Collector

        def init():
            Collector(name="model_outputs", on_error=print)

        def run(data):
            return []
        """,
        (
            "nothing-collected: model_inputs: {enabled: 'true'}",
            'collect-fails: Collector(name="model_outputs", on_error=print)',
        ),
    ),
    "fails in another folder": Case(
        "from package import load\ndef init():\n    load.model()\n" + textwrap.dedent(RUN),
        ("init-fails: open('/no/such/model')",),
        files={"src/package/__init__.py": "", "src/package/load.py": "def model():\n    open('/no/such/model')\n"},
    ),
}

HONEST = {
    "declares its input": Case(
        INIT
        + """
    from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
    from inference_schema.schema_decorators import input_schema, output_schema

    @input_schema("data", StandardPythonParameterType([[1.5]]))
    @output_schema(StandardPythonParameterType([1.5]))
    def run(data):
        return [sum(row) for row in data]
    """
    ),
    "takes requests raw": Case(
        INIT
        + """
    from azureml_inference_server_http.api.aml_request import rawhttp
    from azureml_inference_server_http.api.aml_response import AMLResponse

    @rawhttp
    def run(request):
        return AMLResponse(request.get_data(), 200, {"Content-Type": "image/png"})
    """
    ),
    "answers with text": Case(INIT + "    def run(data):\n        return 'positive'\n"),
    "answers with digits": Case(INIT + "    def run(data):\n        return '5'\n"),
    "catches an exception and goes on": Case(
        INIT
        + """
    import json

    def run(data):
        try:
            rows = json.loads(data)["instances"]
        except KeyError:
            rows = json.loads(data)["data"]
        return [sum(row) for row in rows]
    """
    ),
    "gives an error of zero": Case(INIT + "    def run(data):\n        return {'error': 0.25}\n"),
    "leaves payload logging to Azure": Case(
        INIT + RUN, deployment="data_collector:\n  collections:\n    request: {enabled: 'true'}\n"
    ),
    "can collect where nothing is collected": Case(
        COLLECTING
        + """
    def run(data):
        inputs.collect(pd.DataFrame({"bmi": [1.5]}))
        return []
    """,
        deployment="instance_count: 1\n",
    ),
    "takes the correlation id from the request": Case(
        COLLECTING
        + """
    def run(data):
        inputs.collect(pd.DataFrame({"bmi": [1.5]}), BasicCorrelationContext(id=json.loads(data)["id"]))
        return []
    """
    ),
    "flushes what it collected": Case(
        """
        import pandas as pd
        from azureml.ai.monitoring import Collector
        from azureml.ai.monitoring.init import teardown

        def init():
            pass

        def run(data):
            inputs = Collector(name="model_inputs", on_error=print)
            inputs.collect(pd.DataFrame({"bmi": [1.5]}))
            teardown(wait_for_flush=True)
            return []
        """
    ),
    "collects one event in ten": Case(
        COLLECTING
        + """
    def run(data):
        inputs.collect(pd.DataFrame({"bmi": [1.5]}))
        return []
    """,
        deployment="data_collector:\n  sampling_rate: 0.1\n  collections:\n    model_inputs: {enabled: 'true'}\n",
    ),
    "collects raw inputs of an engineered model": Case(
        COLLECTING
        + """
        global model
        model = Model()

    class Model:
        feature_names_in_ = ["bmi_squared", "log_bp", "sex_1", "sex_2"]

        def predict(self, rows):
            return [1.5 for row in rows]

    def run(data):
        inputs.collect(pd.DataFrame({"bmi": [1.5], "bp": [80.0], "sex": ["1"]}))
        return model.predict([1])
    """
    ),
    "reads and writes beside itself": Case(
        "def init():\n    open('written.txt', 'w').write(open('words.txt').read())\n" + textwrap.dedent(RUN),
        files={"src/words.txt": "hello"},
    ),
    "imports its neighbours": Case(
        "from package.load import model\ndef init():\n    model()\n" + textwrap.dedent(RUN),
        files={"src/package/__init__.py": "", "src/package/load.py": "def model():\n    pass\n"},
    ),
    "has names that amlready has too": Case(
        "import agent, store\ndef init():\n    agent.start(), store.start()\n" + textwrap.dedent(RUN),
        files={"src/agent.py": "def start():\n    pass\n", "src/store.py": "def start():\n    pass\n"},
    ),
    "starts a thread that never ends": Case(
        "import threading\ndef init():\n    threading.Thread(target=threading.Event().wait).start()\n"
        + textwrap.dedent(RUN)
    ),
    "gets a request in no encoding": Case(
        INIT
        + """
    from azureml_inference_server_http.api.aml_request import rawhttp

    @rawhttp
    def run(request):
        return len(request.get_data())
    """,
        files={"sample-request.json": b"\xff\xfe\x00"},
    ),
}

CASES = HOSTILE | FAULTY | HONEST


def attempt(case: Case, root: Path) -> list[Diagnostic]:
    case.write(root)
    (deployment,) = project.load([root / "deployment.yml"]).deployments
    requests = [each.source.path for each in deployment.requests] or [root / "sample-request.json"]
    hangs = any("-hangs: " in each for each in case.finds)
    return trial.score(deployment, resolve(deployment), requests, timeout=HANGING if hangs else 60)


@pytest.fixture(scope="module")
def findings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future]]:
    """What the selected trials found. They run side by side: most of their time they start or wait."""
    items = [item for item in request.session.items if item.path == Path(__file__) and hasattr(item, "callspec")]
    with ThreadPoolExecutor(max_workers=4) as pool:
        yield {
            name: pool.submit(attempt, CASES[name], tmp_path_factory.mktemp("trial"))
            for name in dict.fromkeys(item.callspec.params["name"] for item in items)
        }


def places(found: list[Diagnostic]) -> tuple[str, ...]:
    spans = [each.problem.span for each in found]
    return tuple(f"{one.rule}: {at.source.line(at.line).strip()}" for one, at in zip(found, spans, strict=True))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_script_ends_in_a_finding_where_it_is_hostile(name, findings):
    assert places(findings[name].result(timeout=300)) == HOSTILE[name].finds


@pytest.mark.parametrize("name", FAULTY)
def test_a_fault_is_found_where_it_is(name, findings):
    assert places(findings[name].result(timeout=300)) == FAULTY[name].finds


@pytest.mark.parametrize("name", HONEST)
def test_a_script_without_fault_gets_no_finding(name, findings):
    assert [str(each) for each in findings[name].result(timeout=300)] == []


@pytest.fixture
def findings_of(tmp_path):
    return lambda case: attempt(case, tmp_path)


def test_an_exception_is_shown_with_the_way_to_it_and_its_cause(findings_of):
    (found,) = findings_of(FAULTY["fails behind a package"])
    assert found.problem.span.text == 'raise RuntimeError("no request") from error'
    called, cause, request = found.problem.related
    assert called.span.text == 'parse("é" + data)'
    assert cause.span.text == "json.loads(text)"
    assert "JSONDecodeError" in cause.message
    assert request.span.source.path.name == "sample-request.json"


def test_a_finding_says_what_the_caller_would_get_in_azure(findings_of):
    (found,) = findings_of(Case(INIT + "    def run(data):\n        raise KeyError(data)\n"))
    assert "424, with ms-azureml-model-error-statuscode: 500" in found.problem.message


def test_a_kubernetes_endpoint_answers_in_its_own_way(findings_of):
    case = Case(INIT + "    def run(data):\n        raise KeyError(data)\n", deployment="type: kubernetes\n")
    (found,) = findings_of(case)
    assert "502" in found.problem.message


def test_the_last_line_that_was_printed_is_shown_when_a_process_ends(findings_of):
    case = Case("import os\ndef init():\n    print('no licence')\n    os._exit(7)\n" + textwrap.dedent(RUN))
    (found,) = findings_of(case)
    assert "with exit status 7" in found.problem.message
    assert found.problem.message.endswith("the last line it printed: no licence")


def test_a_missing_module_that_the_conda_file_has_is_to_be_installed_here_too(findings_of):
    case = Case(
        "import no_such_module\n" + textwrap.dedent(INIT + RUN),
        deployment="environment:\n  image: my-image:1\n  conda_file: conda.yaml\n",
        files={"conda.yaml": "dependencies:\n  - python=3.11\n  - pip:\n      - no-such-module==1.0\n"},
    )
    (found,) = findings_of(case)
    assert "conda.yaml has it, this interpreter does not" in found.problem.message


def test_an_ignore_comment_silences_a_finding(findings_of):
    script = "    def run(data):\n        return None  # amlready: ignore[answer-empty] it only collects\n"
    assert findings_of(Case(INIT + script)) == []


def test_the_deployments_environment_variables_are_the_scripts(findings_of):
    case = Case(
        "import os\ndef init():\n    assert os.environ['WORKER_COUNT'] + os.environ['LIMIT'] == '27'\n"
        + textwrap.dedent(RUN),
        deployment="environment_variables:\n  WORKER_COUNT: '2'\n  LIMIT: '7'\n",
    )
    assert findings_of(case) == []


def test_nothing_is_left_beside_the_script(findings_of, tmp_path):
    findings_of(HONEST["reads and writes beside itself"])
    assert sorted(each.name for each in (tmp_path / "src").iterdir()) == ["score.py", "words.txt"]


def test_processes_that_the_script_started_end_with_the_trial(findings_of, tmp_path):
    pids = tmp_path / "pids"
    script = f"""
        import subprocess

        def init():
            started = [subprocess.Popen(["sleep", "600"], start_new_session=new) for new in (True, False)]
            with open({str(pids)!r}, "w") as file:
                file.write(" ".join(str(each.pid) for each in started))

        def run(data):
            return []
    """
    assert findings_of(Case(script)) == []
    started = [int(each) for each in pids.read_text().split()]
    assert len(started) == 2
    until(lambda: all_ended(started))


def test_every_request_is_tried(findings_of):
    case = Case(
        INIT + "    import json\n    def run(data):\n        return json.loads(data)['data']\n",
        files={"sample-request-2.json": '{"rows": 1}', "sample-request-3.json": '{"columns": 1}'},
    )
    (found,) = findings_of(case)
    assert [each.span.source.path.name for each in found.problem.related] == [
        "sample-request-2.json",
        "sample-request-3.json",
    ]


def test_without_the_inference_server_one_sentence_says_what_to_install(findings_of, monkeypatch):
    monkeypatch.setattr(trial.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(
        Unresolved, match=r"azureml_inference_server_http is not installed .* pip install 'amlready\[local\]'"
    ):
        findings_of(HONEST["answers with text"])


def test_a_model_that_is_not_here_is_misuse(tmp_path):
    Case(INIT + RUN).write(tmp_path)
    (deployment,) = project.load([tmp_path / "deployment.yml"]).deployments
    local = replace(resolve(deployment), model=tmp_path / "no-such-model")
    with pytest.raises(Unresolved, match="no-such-model does not exist"):
        trial.score(deployment, local, [], timeout=10)


def test_the_repositorys_own_scoring_script_has_no_fault():
    root = Path(__file__).parents[2]
    deployment = next(each for each in project.load([root]).deployments if each.folder == root)
    requests = [each.source.path for each in deployment.requests]
    assert requests
    assert trial.score(deployment, resolve(deployment), requests, timeout=60) == []


LOOKING = """
    import os

    def init():
        open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.pkl"))
"""


def test_a_model_that_is_not_where_it_was_looked_for_is_said_with_what_is_there(findings_of):
    model = (
        "name: blue\nendpoint_name: my-endpoint\nmodel: {path: churn}\n"
        "code_configuration:\n  code: src\n  scoring_script: score.py\n"
    )
    (found,) = findings_of(Case(LOOKING + RUN, deployment=model, files={"churn/model.pkl": "..."}))
    assert found.rule == "init-fails"
    assert "; AZUREML_MODEL_DIR holds churn/model.pkl" in found.problem.message
