"""Rules about the scoring script: each against Microsoft's own server and Collector, and against forms that work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from real_server import Outcome, outcomes

from amlready import project, rules
from amlready.diagnostic import Problem

MODULES = (
    *("answers", "collection", "columns", "context", "errors", "files"),
    *("frames", "functions", "inputs", "layout", "legacy", "start"),
)
SCORE = {
    name
    for name, rule in rules.rules().items()
    if rule.function.__module__.removeprefix("amlready.rules.score.") in MODULES
}

DEPLOYMENT = """\
name: blue
endpoint_name: my-endpoint
code_configuration:
  code: src
  scoring_script: score.py
data_collector:
  collections:
    model_inputs:
      enabled: 'true'
    model_outputs:
      enabled: 'true'
"""
START = "def init():\n    pass\n\n"
COLLECTORS = """\
import json
import uuid

import numpy as np
import pandas as pd
from azureml.ai.monitoring import Collector
from azureml.ai.monitoring.context import BasicCorrelationContext, CorrelationContext

COLUMNS = ["a", "b"]


def init():
    global inputs, outputs
    inputs = Collector(name="model_inputs", on_error=print)
    outputs = Collector(name="model_outputs", on_error=print)


"""


def files(text: str) -> dict[str, str]:
    """A script alone, or several files, each headed by `# name`."""
    parts = re.split(r"^# ([\w./-]+\.\w+)\n", textwrap.dedent(text).lstrip("\n"), flags=re.MULTILINE)
    named = dict(zip(parts[1::2], parts[2::2], strict=True))
    return named if named else {"score.py": parts[0]}


def check(folder: Path, script: dict[str, str], deployment: str = DEPLOYMENT, **others: str) -> list[tuple[str, int]]:
    """The rules about the script that report something, with the lines of score.py (or of the other file)."""
    texts = {f"src/{name}": text for name, text in script.items()} | {"deployment.yml": deployment} | others
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    found = rules.run(project.load([folder]))
    return [(each.rule, each.problem.span.line) for each in found if each.rule in SCORE]


def names(found: list[tuple[str, int]]) -> set[str]:
    return {name for name, _ in found}


# --- start and requests ----------------------------------------------------------------------------------------------

SHAPES: dict[str, tuple[str, object, set[str]]] = {}
"""What a script is, what the server makes of it, and the rules that say so."""


def shape(name: str, script: str, outcome: object, *expected: str) -> None:
    assert name not in SHAPES, name
    SHAPES[name] = (script, outcome, set(expected))


BOOT = "does not start"
RUN = "def run(data):\n    return 1\n"

shape("plain", START + RUN, 200)
shape("no init", RUN, BOOT, "missing-function")
shape("no run", START, BOOT, "missing-function")
shape("run in a class", START + "class Model:\n    def run(self, data):\n        return 1\n", BOOT, "missing-function")
shape(
    "run under a main guard",
    START + "if __name__ == '__main__':\n    def run(data):\n        return 1\n",
    BOOT,
    "missing-function",
)
shape("init(x)", "def init(x):\n    pass\n" + RUN, BOOT, "init-takes-argument")
shape("init(*, x)", "def init(*, x):\n    pass\n" + RUN, BOOT, "init-takes-argument")
shape("init(x=1)", "def init(x=1, *args, **kwargs):\n    pass\n" + RUN, 200)
shape("run()", START + "def run():\n    return 1\n", BOOT, "run-without-input")
shape("run(*args)", START + "def run(*args):\n    return 1\n", BOOT, "run-parameter-kind")
shape("run(data, **kwargs)", START + "def run(data, **kwargs):\n    return 1\n", BOOT, "run-parameter-kind")
shape("run(data, /)", START + "def run(data, /):\n    return 1\n", BOOT, "run-parameter-kind")
shape("run(request_headers)", START + "def run(request_headers):\n    return 1\n", BOOT, "run-without-input")
shape("run(a, b)", START + "def run(a, b):\n    return 1\n", 500, "run-second-input")
shape("run(a, *, b)", START + "def run(a, *, b):\n    return 1\n", 500, "run-second-input")
shape("run(a, b=1)", START + "def run(a, b=1):\n    return 1\n", 200)
shape("headers first", START + "def run(request_headers, data):\n    return len(data)\n", 200)
shape("run(data=None)", START + "def run(data=None):\n    return len(data)\n", 200)
shape("second run", START + RUN + "def run(data, x):\n    return 1\n", 500)
shape("lambda", START + "run = lambda data: 1\n", 200)
shape("imported", "# score.py\nfrom app import init, run\n# app.py\n" + START + RUN, 200)
shape(
    "decorated",
    "import functools\n\n\ndef timed(function):\n    @functools.wraps(function)\n    def inner(*args, **kwargs):\n"
    "        return function(*args, **kwargs)\n\n    return inner\n\n\n" + START + "@timed\n" + RUN,
    200,
)
shape(
    "async init",
    "async def init():\n    global model\n    model = 1\n\n\ndef run(data):\n    return model\n",
    500,
    "async-function",
)
shape("async run", START + "async def run(data):\n    return 1\n", 500, "async-function")
shape(
    "init yields",
    "def init():\n    global model\n    model = 1\n    yield\n\n\ndef run(data):\n    return model\n",
    500,
    "generator-function",
)
shape("run yields", START + "def run(data):\n    yield 1\n", 500, "generator-function")
shape("exit", "import sys\n\n\ndef init():\n    sys.exit(0)\n\n\n" + RUN, BOOT, "start-ends-in-exit")
shape("raise", "def init():\n    raise NotImplementedError\n\n\n" + RUN, BOOT, "start-ends-in-exit")
shape(
    "guarded raise", "import os\n\n\ndef init():\n    if 'X_Y' in os.environ:\n        raise KeyError\n\n\n" + RUN, 200
)
shape("raise, unless left before", "def init():\n    if True:\n        return\n    raise KeyError\n\n\n" + RUN, 200)
shape(
    "no global",
    "def init():\n    model = 1\n\n\ndef run(data):\n    return model\n",
    500,
    "missing-global",
)
shape(
    "no global, but None",
    "model = None\n\n\ndef init():\n    model = [1]\n\n\ndef run(data):\n    return model[0]\n",
    500,
    "missing-global",
)
shape(
    "no global, used by a helper",
    "def init():\n    model = 1\n\n\ndef predict(data):\n    return [model for _ in data]\n\n\n"
    "def run(data):\n    return predict(data)\n",
    500,
    "missing-global",
)
shape(
    "import in init",
    "def init():\n    import json\n\n\ndef run(data):\n    return json.loads(data)\n",
    500,
    "missing-global",
)
shape("global", "def init():\n    global model\n    model = 1\n\n\ndef run(data):\n    return model\n", 200)
shape(
    "set by globals()",
    "def init():\n    model = 1\n    globals()['model'] = model\n\n\ndef run(data):\n    return model\n",
    200,
)
shape(
    "loaded by the first request",
    "model = None\n\n\ndef init():\n    model = 1\n\n\ndef run(data):\n    global model\n    if model is None:\n"
    "        model = 2\n    return model\n",
    200,
)
shape(
    "a local of the same name",
    "def init():\n    path = 'x'\n    return path\n\n\ndef run(data):\n    path = data\n"
    "    return [path for path in data]\n",
    200,
)

# input
shape("subscript of text", START + "def run(data):\n    return data['data']\n", 500, "input-not-parsed")
shape("get of text", START + "def run(data):\n    return data.get('data')\n", 500, "input-not-parsed")
shape("request without @rawhttp", START + "def run(request):\n    return request.get_json()\n", 500, "input-not-parsed")
shape(
    "DataFrame of text",
    "import pandas as pd\n\n\n" + START + "def run(data):\n    return pd.DataFrame(data).values.tolist()\n",
    500,
    "input-not-parsed",
)
shape(
    "json.loads",
    "import json\n\n\n" + START + "def run(data):\n    data = json.loads(data)\n    return data['data']\n",
    200,
)
shape(
    "json.loads where it is text",
    "import json\n\n\n" + START + "def run(data):\n    if isinstance(data, str):\n        data = json.loads(data)\n"
    "    return data['data']\n",
    200,
)
shape(
    "looks at the type",
    "import json\n\n\n" + START + "def run(data):\n    if type(data) is dict:\n        return data['data']\n"
    "    return json.loads(data)['data']\n",
    200,
)
shape("slice of text", START + "def run(data):\n    return data[0] + data[1:3]\n", 200)

RAW = "import json\n\nfrom azureml_inference_server_http.api.aml_request import rawhttp\n\n\n" + START
shape(
    "raw request parsed",
    RAW + "@rawhttp\ndef run(request):\n    return json.loads(request)\n",
    500,
    "input-already-parsed",
)
shape("raw request", RAW + "@rawhttp\ndef run(request):\n    return request.get_json()['data']\n", 200)
shape("raw request, read", RAW + "@rawhttp\ndef run(request):\n    return json.loads(request.get_data())\n", 200)
shape(
    "rawhttp on another function",
    RAW + "@rawhttp\ndef other(x):\n    pass\n\n\ndef run(request):\n    return json.loads(request)\n",
    500,
    "input-already-parsed",
)
shape(
    "old rawhttp",
    "from azureml.contrib.services.aml_request import rawhttp\nfrom azureml.contrib.services.aml_response import "
    "AMLResponse\n\n\n" + START + "@rawhttp\ndef run(request):\n    return AMLResponse('ok', 200)\n",
    200,
)
SCHEMA = (
    "import json\n\nimport numpy as np\nfrom inference_schema.parameter_types.numpy_parameter_type import "
    "NumpyParameterType\nfrom inference_schema.parameter_types.standard_py_parameter_type import "
    "StandardPythonParameterType\nfrom inference_schema.schema_decorators import input_schema, output_schema\n\n\n"
    + START
)
PLAIN = "StandardPythonParameterType([[1, 2]])"
shape("schema", SCHEMA + f"@input_schema('data', {PLAIN})\ndef run(data):\n    return data\n", 200)
shape(
    "schema by keyword",
    SCHEMA + f"@input_schema(param_name='data', param_type={PLAIN})\ndef run(data):\n    return data\n",
    200,
)
shape(
    "schema of another name",
    SCHEMA + f"@input_schema('dat', {PLAIN})\ndef run(data):\n    return data\n",
    500,
    "input-schema-name",
)
shape(
    "optional schema of another name",
    SCHEMA + f"@input_schema('x', {PLAIN}, optional=True)\ndef run(data):\n    return data\n",
    200,
)
shape(
    "schema of a bare sample",
    SCHEMA + "@input_schema('data', [[1, 2]])\ndef run(data):\n    return data\n",
    BOOT,
    "input-schema-sample",
)
shape(
    "schema parsed again",
    SCHEMA + f"@input_schema('data', {PLAIN})\ndef run(data):\n    return json.loads(data)\n",
    500,
    "input-already-parsed",
)
shape(
    "array schema parsed again",
    SCHEMA
    + "@input_schema('data', NumpyParameterType(np.array([[1, 2]])))\ndef run(data):\n    return json.loads(data)\n",
    500,
    "input-already-parsed",
)
shape(
    "output schema only",
    SCHEMA + "@output_schema(StandardPythonParameterType([1]))\ndef run(data):\n    return data\n",
    200,
)
shape(
    "schema and rawhttp",
    SCHEMA.replace("import json\n", RAW.split("\n\n\n")[0] + "\n", 1)
    + f"@rawhttp\n@input_schema('data', {PLAIN})\ndef run(data):\n    return 1\n",
    BOOT,
    "raw-http-with-schema",
)

# answers
VALUES = (
    "import datetime\nimport decimal\nimport json\nimport pathlib\nimport uuid\n\n"
    "import numpy as np\nimport pandas as pd\n"
    "from azureml_inference_server_http.api.aml_response import AMLResponse\nfrom flask import Response, jsonify\n\n\n"
    + START
)


def answer(name: str, value: str, outcome: object, *expected: str) -> None:
    shape(f"return {name}", f"{VALUES}def run(data):\n    return {value}\n", outcome, *expected)


for each in (
    "np.array([1.0])",
    "{'x': np.array([1.0])}",
    "[np.int64(1)]",
    "np.float32(1)",
    "np.argmax([1, 2])",
    "pd.DataFrame({'a': [1]})",
    "pd.DataFrame({'a': [1]})['a']",
    "pd.DataFrame({'a': [1]}).values",
    "pd.DataFrame({'a': [1]}).columns",
    "pd.Series([1])",
    "b'x'",
    "'x'.encode()",
    "{1, 2}",
    "{'t': datetime.datetime.now()}",
    "(x for x in [1])",
    "map(str, [1])",
    "zip([1], [2])",
    "range(3)",
    "{'a': 1}.values()",
    "uuid.uuid4()",
    "decimal.Decimal('1')",
    "pathlib.Path('.')",
    "1j",
    "[np.array([x]) for x in [1, 2]]",
):
    answer(each, each, 500, "return-not-json")
for each in (
    "np.float64(1)",
    "np.mean([1, 2])",
    "np.array([1.0]).tolist()",
    "np.array([1.0])[0]",
    "int(np.argmax([1, 2]))",
    "{'x': np.array([1.0]).reshape(-1, 1).tolist()}",
    "pd.DataFrame({'a': [1]}).to_dict()",
    "pd.DataFrame({'a': [1]}).to_dict(orient='records')",
    "json.loads(pd.DataFrame({'a': [1]}).to_json())",
    "list({1, 2})",
    "str(uuid.uuid4())",
    "datetime.datetime.now().isoformat()",
    "'x'.encode().decode()",
    "(1, 2)",
    "AMLResponse('ok', 200)",
    "Response('ok')",
    "jsonify({'a': 1})",
):
    answer(each, each, 200)
answer("JSON text", "json.dumps({'a': 1})", '"{\\"a\\": 1}"', "return-json-text")
answer("DataFrame as JSON", "pd.DataFrame({'a': [1]}).to_json(orient='records')", '"[{\\"a\\":1}]"', "return-json-text")
answer("status", "{'e': 'x'}, 400", '[{"e": "x"}, 400]', "return-status")
answer("status and headers", "{'e': 'x'}, 400, {}", '[{"e": "x"}, 400, {}]', "return-status")
answer("nothing", "None", "{}")
answer("AMLResponse of a dict", "AMLResponse({'a': 1, 'b': 2}, 200)", "ab", "response-body")
answer("AMLResponse of a list", "AMLResponse([1.5], 200)", 500, "response-body")
answer("AMLResponse as JSON", "AMLResponse({'a': 1}, 200, json_str=True)", '{"a": 1}')
shape("returns nothing", START + "def run(data):\n    len(data)\n", "{}", "run-returns-nothing")

TRY = START + "def run(data):\n    try:\n        return 1 / 0\n"
shape("error as answer", TRY + "    except Exception as e:\n        return {'error': str(e)}\n", 200, "error-as-answer")
shape(
    "error as text",
    TRY + "    except Exception as e:\n        text = str(e)\n        return text\n",
    200,
    "error-as-answer",
)
shape(
    "error as answer, later",
    START + "def run(data):\n    try:\n        result = 1 / 0\n    except Exception as e:\n"
    "        result = {'error': str(e)}\n"
    "    return result\n",
    200,
    "error-as-answer",
)
shape("error itself", TRY + "    except Exception as e:\n        return e\n", 500, "return-not-json")
shape("error as nothing", TRY + "    except Exception as e:\n        print(e)\n", "{}", "error-as-nothing")
shape("error raised again", TRY + "    except Exception as e:\n        print(e)\n        raise\n", 500)
shape("error with a default", TRY + "    except Exception:\n        return [0.0]\n", 200)
shape("one error", TRY + "    except ZeroDivisionError:\n        return 'infinite'\n", 200)
shape(
    "error with a status",
    "from azureml_inference_server_http.api.aml_response import AMLResponse\n\n\n"
    + TRY
    + "    except Exception as e:\n        return AMLResponse({'error': str(e)}, 400, json_str=True)\n",
    400,
)
shape(
    "exit in run",
    "import sys\n\n\n" + START + "def run(data):\n    sys.exit('x')\n",
    BOOT,
    "exit-in-run",
    "run-returns-nothing",
)
shape(
    "swallowed init error",
    "def init():\n    global model\n    try:\n        model = open('/no/such/file')\n"
    "    except Exception as e:\n        print(e)\n"
    "\n\ndef run(data):\n    return model.read()\n",
    500,
    "swallowed-init-error",
)
shape(
    "init error, but a fallback",
    "def init():\n    global model\n    try:\n        model = open('/no/such/file')\n"
    "    except Exception:\n        model = 'x'\n"
    "\n\ndef run(data):\n    return model\n",
    200,
)
shape(
    "init error, looked at",
    "def init():\n    global model\n    model = None\n    try:\n"
    "        model = open('/no/such/file')\n    except Exception as e:\n"
    "        print(e)\n    if model is None:\n        raise RuntimeError\n\n\ndef run(data):\n    return model\n",
    BOOT,
)

# the folder
shape(
    "relative import",
    "# score.py\nfrom .helper import x\n" + START + RUN + "# helper.py\nx = 1\n",
    BOOT,
    "relative-import",
)
shape(
    "relative import beside",
    "# score.py\nimport helper\n" + START + RUN + "# helper.py\nfrom . import other\n# other.py\nx = 1\n",
    BOOT,
    "relative-import",
)
shape(
    "relative import in a package",
    "# score.py\nimport kit\n" + START + RUN + "# kit/__init__.py\nfrom . import other\n# kit/other.py\nx = 1\n",
    200,
)
shape(
    "relative import out of a package",
    "# score.py\nimport kit\n" + START + RUN + "# kit/__init__.py\nfrom .. import other\n# other.py\nx = 1\n",
    BOOT,
    "relative-import",
)
shape(
    "relative import, or else",
    "# score.py\ntry:\n    from .helper import x\nexcept ImportError:\n    from helper import x\n\n"
    "\ndef init():\n    print(x)\n\n\n" + RUN + "# helper.py\nx = 1\n",
    200,
)
shape(
    "file by a relative path",
    "# score.py\ndef init():\n    open('labels.txt')\n\n\n" + RUN + "# labels.txt\nx\n",
    BOOT,
    "working-directory",
)
shape("file that is nowhere", "def init():\n    open('labels.txt')\n\n\n" + RUN, BOOT, "file-not-uploaded")
shape(
    "file beside the script",
    "# score.py\nfrom pathlib import Path\n\n\ndef init():\n"
    "    open(Path(__file__).parent / 'labels.txt').close()\n\n\n" + RUN + "# labels.txt\nx\n",
    200,
)
for number, outside in enumerate(
    (
        "os.path.join(os.path.dirname(__file__), '..', 'data', 'labels.txt')",
        "os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'labels.txt')",
        "Path(__file__).resolve().parent.parent / 'labels.txt'",
        "HERE / '..' / 'labels.txt'",
        "str(HERE.parent / 'labels.txt')",
    )
):
    head = "import os\nfrom pathlib import Path\n\nHERE = Path(__file__).parent\n\n\n"
    shape(
        f"file outside of the code folder {number}",
        f"{head}def init():\n    open({outside})\n\n\n{RUN}",
        BOOT,
        "file-not-uploaded",
    )
shape(
    "import by the folder's name",
    "# score.py\nfrom src.helper import help_out\n\n\n" + START + RUN + "# helper.py\ndef help_out(): pass\n",
    BOOT,
    "import-by-folder-name",
)
shape(
    "file that is written first",
    "def init():\n    open('log.txt', 'w').close()\n    open('log.txt').close()\n\n\n" + RUN,
    200,
)
shape(
    "wrong Collector module", "from azure.ai.monitoring import Collector\n\n\n" + START + RUN, BOOT, "collector-module"
)
shape(
    "first Collector",
    "from azureml.monitoring import ModelDataCollector\n\n\n" + START + RUN,
    BOOT,
    "first-version-collector",
)

# --- collection ------------------------------------------------------------------------------------------------------

DEAD, DROPPED, BOTH = "the Collector's thread is dead", "nothing arrives", "both arrive and join"


def collecting(name: str, body: str, outcome: object, *expected: str, head: str = COLLECTORS) -> None:
    shape(f"collect {name}", head + textwrap.dedent(body).lstrip("\n"), outcome, *expected)


FRAME = "pd.DataFrame(json.loads(data)['data'], columns=COLUMNS)"
ANSWER = "pd.DataFrame({'prediction': [1.0, 2.0]})"

collecting(
    "both",
    f"def run(data):\n    context = inputs.collect({FRAME})\n    outputs.collect({ANSWER}, context)\n    return 1\n",
    BOTH,
)
collecting(
    "both, by keyword",
    f"def run(data):\n    context = inputs.collect(data={FRAME})\n"
    f"    outputs.collect(data={ANSWER}, correlation_context=context)\n    return 1\n",
    BOTH,
)
collecting(
    "with one context",
    f"def run(data):\n    context = BasicCorrelationContext()\n    inputs.collect({FRAME}, context)\n"
    f"    outputs.collect({ANSWER}, context)\n    return 1\n",
    BOTH,
)
collecting(
    "through a function",
    "def keep(collector, columns, values, context):\n    try:\n"
    "        collector.collect(pd.DataFrame(values, columns=columns, copy=True), context)\n"
    "    except Exception as error:\n        print(error)\n\n\n"
    "def run(data):\n    values = np.array(json.loads(data)['data'])\n    context = BasicCorrelationContext(id=None)\n"
    "    keep(inputs, COLUMNS, values, context)\n"
    "    keep(outputs, ['prediction'], values[:, :1], context)\n    return 1\n",
    BOTH,
)
collecting(
    "through a module",
    "# score.py\nimport json\n\nimport keeping\nimport pandas as pd\n\n\ndef init():\n    keeping.start()\n\n\n"
    f"def run(data):\n    context = keeping.keep_inputs(pd.DataFrame(json.loads(data)['data'], columns=['a', 'b']))\n"
    f"    keeping.outputs.collect({ANSWER}, context)\n    return 1\n"
    "# keeping.py\nfrom azureml.ai.monitoring import Collector\n\ninputs = outputs = None\n\n\ndef start():\n"
    "    global inputs, outputs\n    inputs = Collector(name='model_inputs', on_error=print)\n"
    "    outputs = Collector(name='model_outputs', on_error=print)\n\n\ndef keep_inputs(frame):\n"
    "    return inputs.collect(frame)\n",
    BOTH,
    head="",
)
collecting(
    "without a context",
    f"def run(data):\n    inputs.collect({FRAME})\n    outputs.collect({ANSWER})\n    return 1\n",
    "both arrive and do not join",
    "context-not-passed",
)
KEEPER = (
    "class Keeper:\n    def __init__(self, inputs):\n"
    "        self.outputs = Collector(name='model_outputs', on_error=print)\n\n"
    "    def keep(self, frame, answer):\n        context = inputs.collect(frame)\n        self.write(answer{})\n\n"
    "    def write(self, frame, context=None):\n        self.outputs.collect(frame, context)\n\n\n"
    "keeper = Keeper(None)\n\n\n"
    f"def run(data):\n    keeper.keep({FRAME}, {ANSWER})\n    return 1\n"
)
collecting("through an object", KEEPER.replace("{}", ", context"), BOTH)
collecting(
    "through an object that drops the context",
    KEEPER.replace("{}", ""),
    "both arrive and do not join",
    "context-not-passed",
)
collecting(
    "with two contexts",
    f"def run(data):\n    inputs.collect({FRAME}, BasicCorrelationContext())\n"
    f"    outputs.collect({ANSWER}, BasicCorrelationContext())\n    return 1\n",
    "both arrive and do not join",
    "context-not-passed",
)
collecting(
    "through a function that drops the context",
    "def keep(collector, frame, context=None):\n    collector.collect(frame)\n\n\n"
    f"def run(data):\n    context = BasicCorrelationContext()\n    keep(inputs, {FRAME}, context)\n"
    f"    keep(outputs, {ANSWER}, context)\n    return 1\n",
    "both arrive and do not join",
    "context-not-passed",
)
collecting(
    "with a context of an attempt",
    f"def run(data):\n    context = None\n    try:\n        context = inputs.collect({FRAME})\n"
    f"    except Exception as e:\n"
    f"        print(e)\n    outputs.collect({ANSWER}, context)\n    return 1\n",
    BOTH,
)
collecting(
    "in either branch",
    f"def run(data):\n    if data:\n        inputs.collect({FRAME})\n    else:\n"
    f"        outputs.collect({ANSWER})\n    return 1\n",
    200,
)
collecting(
    "what can be said of a failure",
    f"def run(data):\n    try:\n        context = inputs.collect({FRAME})\n        outputs.collect({ANSWER}, context)\n"
    f"    except Exception:\n        outputs.collect({ANSWER})\n        raise\n    return 1\n",
    BOTH,
)
collecting(
    "a list", "def run(data):\n    inputs.collect([1, 2])\n    outputs\n    return 1\n", DROPPED, "collect-not-frame"
)
collecting(
    "parsed JSON",
    "def run(data):\n    rows = json.loads(data)['data']\n    inputs.collect(rows)\n    outputs\n    return 1\n",
    DROPPED,
    "collect-not-frame",
)
collecting(
    "an array through a function",
    "def keep(collector, values):\n    collector.collect(values)\n\n\n"
    "def run(data):\n    keep(inputs, np.array([[1.0]]))\n    outputs\n    return 1\n",
    DROPPED,
    "collect-not-frame",
)
collecting(
    "a Series",
    f"def run(data):\n    inputs.collect({FRAME}['a'])\n    outputs\n    return 1\n",
    DROPPED,
    "collect-not-frame",
)
collecting(
    "with text for a context",
    f"def run(data):\n    inputs.collect({FRAME}, 'id')\n    outputs\n    return 1\n",
    500,
    "context-type",
)
collecting(
    "with a UUID for a context",
    f"def run(data):\n    inputs.collect({FRAME}, uuid.uuid4())\n    outputs\n    return 1\n",
    500,
    "context-type",
)
collecting(
    "with context=",
    f"def run(data):\n    inputs.collect({FRAME}, context=None)\n    outputs\n    return 1\n",
    500,
    "collect-argument",
)
collecting(
    "under a UUID",
    f"def run(data):\n    inputs.collect({FRAME}, BasicCorrelationContext(id=uuid.uuid4()))\n"
    f"    outputs\n    return 1\n",
    DROPPED,
    "correlation-id-type",
)
collecting(
    "under a number",
    f"def run(data):\n    inputs.collect({FRAME}, BasicCorrelationContext(7))\n    outputs\n    return 1\n",
    DROPPED,
    "correlation-id-type",
)
collecting(
    "under an id from the body",
    f"def run(data):\n    body = json.loads(data)\n"
    f"    inputs.collect({FRAME}, BasicCorrelationContext(id=body.get('id')))\n"
    "    outputs\n    return 1\n",
    200,
    "correlation-id-from-body",
)
collecting(
    "duplicate columns",
    "def run(data):\n    inputs.collect(pd.DataFrame([[1, 2]], columns=['a', 'a']))\n    outputs\n    return 1\n",
    DEAD,
    "duplicate-columns",
)
collecting(
    "without names",
    "def run(data):\n    inputs.collect(pd.DataFrame(np.array([[1, 2]])))\n    outputs\n    return 1\n",
    200,
    "unnamed-columns",
)
collecting(
    "with names given later",
    "def run(data):\n    frame = pd.DataFrame(np.array([[1, 2]]))\n    frame.columns = COLUMNS\n"
    "    inputs.collect(frame)\n"
    "    outputs\n    return 1\n",
    200,
)
collecting(
    "a frame that changes",
    f"def run(data):\n    frame = {FRAME}\n    for _ in range(20):\n        inputs.collect(frame)\n"
    f"    frame['a'] = 99\n"
    "    outputs\n    return 1\n",
    200,
    "changed-after-collect",
)
collecting(
    "a copy of a frame that changes",
    f"def run(data):\n    frame = {FRAME}\n    inputs.collect(frame.copy())\n    frame['a'] = 99\n"
    f"    outputs\n    return 1\n",
    200,
)
collecting(
    "a frame, then another of its name",
    f"def run(data):\n    frame = {FRAME}\n    inputs.collect(frame)\n    frame = {ANSWER}\n"
    f"    frame['a'] = 99\n    outputs\n"
    "    return 1\n",
    200,
)
collecting(
    "a frame that a function collects and run() changes",
    f"def keep(frame):\n    return inputs.collect(frame)\n\n\ndef run(data):\n    frame = {FRAME}\n    keep(frame)\n"
    "    frame.insert(0, 'x', 1)\n    outputs\n    return 1\n",
    200,
    "changed-after-collect",
)
collecting(
    "correlationid",
    "def run(data):\n    inputs.collect(pd.DataFrame({'correlationid': ['x']}))\n    outputs\n    return 1\n",
    200,
    "correlationid-column",
)

ONE = (
    "from azureml.ai.monitoring import Collector\n\n\ndef init():\n    global inputs\n    inputs = Collector({})\n\n\n"
)
USE = "def run(data):\n    return str(inputs)\n"
shape("Collector by position", ONE.format("'model_inputs', on_error=print") + USE, BOOT, "collector-name-positional")
shape("Collector of another name", ONE.format("name='model_input'") + USE, BOOT, "collector-not-enabled", "no-on-error")
shape(
    "Collector of another name, errors printed",
    ONE.format("name='model_input', on_error=print") + USE,
    200,
    "collector-not-enabled",
)
shape("Collector in capitals", ONE.format("name='Model_Inputs'") + USE, BOOT, "collector-name-case", "no-on-error")
shape("Collector without on_error", ONE.format("name='model_inputs'") + USE, 200, "no-on-error")
shape("Collector with on_error=None", ONE.format("name='model_inputs', on_error=None") + USE, 200, "no-on-error")
shape(
    "Collector with another argument",
    ONE.format("collection='model_inputs'") + USE,
    BOOT,
    "collector-argument",
    "no-on-error",
)
for given in ("lambda: None", "lambda a, b: None", "'log'"):
    shape(
        f"Collector with on_error={given}",
        ONE.format(f"name='missing', on_error={given}") + USE,
        BOOT,
        "on-error-arguments",
        "collector-not-enabled",
    )
shape(
    "Collector with a call for on_error",
    ONE.format("name='missing', on_error=print('x')") + USE,
    BOOT,
    "on-error-arguments",
    "collector-not-enabled",
)
shape("Collector that nothing uses", ONE.format("name='model_inputs', on_error=print") + RUN, 200, "unused-collector")


@pytest.fixture(scope="module")
def real() -> dict[str, Outcome]:
    return outcomes({name: files(script) for name, (script, _, _) in SHAPES.items()})


@pytest.mark.parametrize("name", SHAPES)
def test_the_server_does_what_the_rules_say(name, real):
    expected = SHAPES[name][1]
    outcome = real[name]
    ids = {event[0]: event[1] for event in outcome.events}
    match expected:
        case str() if expected == BOOT:
            assert outcome.status is None
        case int():
            assert outcome.status == expected
        case "both arrive and join":
            assert outcome.status == 200
            assert set(ids) == {"model_inputs", "model_outputs"}
            assert len(set(ids.values())) == 1
        case "both arrive and do not join":
            assert len(set(ids.values())) == 2
        case "the Collector's thread is dead":
            assert (outcome.status, outcome.alive, outcome.events) == (200, False, ())
        case "nothing arrives":
            assert (outcome.status, outcome.alive, outcome.events) == (200, True, ())
        case _:
            assert (outcome.status, outcome.body) == (200, expected)


@pytest.mark.parametrize("name", SHAPES)
def test_the_rules_say_what_the_server_does(name, tmp_path):
    script, _, expected = SHAPES[name]
    assert names(check(tmp_path, files(script))) == expected


def test_unnamed_columns_are_stored_under_numbers(real):
    assert real["collect without names"].events[0][2] == '[{"0":1,"1":2}]'


def test_a_frame_that_changes_is_stored_changed(real):
    assert '"a":99' in real["collect a frame that changes"].events[-1][2]


def test_a_wrong_module_is_the_only_thing_wrong_with_its_collectors(tmp_path):
    body = f"def run(data):\n    c = inputs.collect({FRAME})\n    outputs.collect({ANSWER}, c)\n    return 1\n"
    script = (COLLECTORS + body).replace("azureml.ai.monitoring", "azure.ai.monitoring")
    assert check(tmp_path, {"score.py": script}) == [("collector-module", 6), ("collector-module", 7)]
    assert "collection-not-collected" not in {each.rule for each in rules.run(project.load([tmp_path]))}


# --- what the server alone cannot show -------------------------------------------------------------------------------

BLANK = START + RUN


@pytest.mark.parametrize("text", ["[1]", '{"a": 1,}', " ", '\ufeff{"a": 1}'], ids=["list", "comma", "blank", "bom"])
def test_a_config_json_that_is_no_object_keeps_the_server_from_starting(text, tmp_path):
    assert starts(tmp_path / "real", text) != 0
    assert check(tmp_path / "ours", {"score.py": BLANK, "config.json": text}) == [("config-json", 1)]


@pytest.mark.parametrize("text", ["", '{"workspace_name": "w", "subscription_id": "s"}'], ids=["empty", "workspace"])
def test_a_config_json_that_the_server_passes_over_is_passed_over(text, tmp_path):
    assert starts(tmp_path / "real", text) == 0
    assert check(tmp_path / "ours", {"score.py": BLANK, "config.json": text}) == []


def starts(folder: Path, config: str) -> int:
    """The exit status of the real server's import and start beside this config.json, which is read at import."""
    folder.mkdir()
    (folder / "score.py").write_text(BLANK, encoding="utf-8")
    (folder / "config.json").write_text(config, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-c", "from azureml_inference_server_http.server.create_app import create; create()"],
        env={**os.environ, "AML_APP_ROOT": str(folder), "AZUREML_ENTRY_SCRIPT": "score.py"},
        cwd=folder,
        capture_output=True,
        timeout=300,
        check=False,
    ).returncode


NESTED = DEPLOYMENT.replace("scoring_script: score.py", "scoring_script: serving/score.py")


def nested(script: str, **others: str) -> dict[str, str]:
    return {"serving/score.py": script + BLANK, "features.py": "x = 1\n", **others}


def test_a_module_of_the_code_folder_is_not_beside_a_script_in_a_folder_of_its_own(tmp_path):
    found = check(tmp_path, nested("from features import x\n\n\n"), NESTED)
    assert found == [("import-from-code-root", 1)]
    (one,) = problems(tmp_path, "import-from-code-root")
    assert "most likely not importable: the server adds only the script's own folder" in one.message


@pytest.mark.parametrize(
    "script",
    [
        "import sys\n\nsys.path.append('..')\nfrom features import x\n\n\n",
        "try:\n    from features import x\nexcept ImportError:\n    x = 1\n\n\n",
        "import json\n\nimport sklearn\n\n\n",
        "import helper\n\n\n",
    ],
    ids=["path", "attempt", "elsewhere", "beside"],
)
def test_imports_that_are_found_or_may_fail_are_none_of_its_business(script, tmp_path):
    assert check(tmp_path, nested(script, **{"serving/helper.py": "x = 1\n"}), NESTED) == []


def test_pythonpath_may_lead_anywhere(tmp_path):
    deployment = NESTED + "environment_variables:\n  PYTHONPATH: /var/azureml-app/src\n"
    assert check(tmp_path, nested("from features import x\n\n\n"), deployment) == []


CONDA = "channels: [conda-forge]\ndependencies:\n  - python=3.11\n  - scikit-learn{}\n"
WITH_CONDA = DEPLOYMENT + "environment:\n  image: my-image:1\n  conda_file: conda.yaml\n"
OLD_JOBLIB = "from sklearn.externals import joblib\n\n\n" + BLANK


@pytest.mark.parametrize("pin", ["=1.9.1", "", ">=0.23"])
def test_joblib_left_scikit_learn(pin, tmp_path):
    found = check(tmp_path, {"score.py": OLD_JOBLIB}, WITH_CONDA, **{"conda.yaml": CONDA.format(pin)})
    assert found == [("vendored-joblib", 1)]


@pytest.mark.parametrize("pin", ["=0.22.1", "==0.19.2", "<0.23", "~=0.20.0"])
def test_joblib_was_in_scikit_learn_once(pin, tmp_path):
    assert check(tmp_path, {"score.py": OLD_JOBLIB}, WITH_CONDA, **{"conda.yaml": CONDA.format(pin)}) == []


ENDPOINT = """\
name: my-endpoint
auth_mode: key
identity:
  type: user_assigned
  user_assigned_identities:
    - resource_id: /subscriptions/s/userAssignedIdentities/i
"""
CREDENTIAL = (
    "from azure.identity import DefaultAzureCredential\n\n\ndef init():\n    DefaultAzureCredential({})\n\n\n" + RUN
)


def test_a_user_assigned_identity_must_be_named(tmp_path):
    found = check(tmp_path, {"score.py": CREDENTIAL.format("")}, **{"endpoint.yml": ENDPOINT})
    assert found == [("credential-without-client", 5)]


@pytest.mark.parametrize(
    ("given", "endpoint", "variables"),
    [
        ("managed_identity_client_id='x'", ENDPOINT, ""),
        ("**options", ENDPOINT, ""),
        ("", ENDPOINT.replace("user_assigned\n", "system_assigned\n"), ""),
        ("", ENDPOINT, "environment_variables:\n  AZURE_CLIENT_ID: x\n"),
    ],
    ids=["named", "options", "system-assigned", "variable"],
)
def test_a_credential_that_knows_its_identity_is_fine(given, endpoint, variables, tmp_path):
    script = {"score.py": CREDENTIAL.format(given)}
    assert check(tmp_path, script, DEPLOYMENT + variables, **{"endpoint.yml": endpoint}) == []


SIX = (
    "from azureml.ai.monitoring import Collector\n\n\ndef init():\n    global them\n    them = [\n{}    ]\n\n\n"
    "def run(data):\n    return len(them)\n"
)
MANY = "name: blue\nendpoint_name: my-endpoint\ncode_configuration: {code: src, scoring_script: score.py}\n" + (
    "data_collector:\n  collections:\n"
)


@pytest.mark.parametrize(("count", "expected"), [(5, []), (6, [("too-many-collectors", 12)])])
def test_five_collectors_are_documented(count, expected, tmp_path):
    made = "".join(f"        Collector(name='c{number}', on_error=print),\n" for number in range(count))
    enabled = "".join(f"    c{number}:\n      enabled: 'true'\n" for number in range(count))
    assert check(tmp_path, {"score.py": SIX.format(made)}, MANY + enabled) == expected


LOADED = "import joblib\n\n\ndef init():\n    global model\n    model = {}\n\n\ndef run(data):\n    {}\n"


@pytest.mark.parametrize(
    ("loaded", "answer", "expected"),
    [
        ("joblib.load('/m')", "return model.predict(data)", {"return-prediction"}),
        ("joblib.load('/m')", "result = model.predict(data)\n    return {'r': result}", {"return-prediction"}),
        ("joblib.load('/m')", "return model.predict(data).tolist()", set()),
        ("joblib.load('/m')", "return list(model.predict(data))", set()),
        ("joblib.load('/m')", "return model.predict(data)[0]", set()),
        ("joblib.load('/m')", "return model.score(data)", set()),
        ("Model()", "return model.predict(data)", set()),
    ],
)
def test_a_prediction_that_is_returned_raw_gets_a_note(loaded, answer, expected, tmp_path):
    assert names(check(tmp_path, {"score.py": LOADED.format(loaded, answer)})) == expected


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        ("def load(path):\n    return joblib.load(path)\n", {"return-prediction"}),
        (
            "def load(path):\n    with open(path) as file:\n        m = joblib.load(file)\n    return m\n",
            {"return-prediction"},
        ),
        (
            "def load(path):\n    return again(path)\n\ndef again(path):\n    return joblib.load(path)\n",
            {"return-prediction"},
        ),
        ("def load(path):\n    return load(path)\n", set()),
        ("def load(path):\n    if path:\n        return Model()\n    return joblib.load(path)\n", set()),
        ("def load(path):\n    yield joblib.load(path)\n", set()),
        ("@wrapped\ndef load(path):\n    return joblib.load(path)\n", set()),
    ],
)
def test_a_model_that_a_function_of_the_script_loads_is_known(load, expected, tmp_path):
    script = LOADED.format("load('/m')", "return model.predict(data)") + "\n\n" + load
    assert names(check(tmp_path, {"score.py": script})) & {"return-prediction"} == expected


def test_a_prediction_that_is_collected_raw_gets_a_note(tmp_path):
    body = "def run(data):\n    r = model.predict(data)\n    inputs.collect(r)\n    outputs\n    return r.tolist()\n"
    head = COLLECTORS.replace("import json\n", "import json\n\nimport joblib\n").replace(
        "    global inputs, outputs\n", "    global inputs, outputs, model\n    model = joblib.load('/m')\n"
    )
    assert names(check(tmp_path, {"score.py": head + body})) == {"collect-prediction"}
    head = head.replace("joblib.load('/m')", "_load()")
    body += "\n\ndef _load():\n    return joblib.load('/m')\n"
    assert names(check(tmp_path, {"score.py": head + body})) == {"collect-prediction"}


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("def init():\n    global c\n    c = {}\n", {"shared-context"}),
        ("c = {}\n", {"shared-context"}),
        ("def keep(c={}):\n    return c\n", {"shared-context"}),
        ("def make():\n    return {}\n", set()),
        ("make = lambda: {}\n", set()),
        ("class Keep:\n    def context(self):\n        return {}\n", set()),
    ],
    ids=["init", "module", "default", "function", "lambda", "method"],
)
def test_a_context_that_is_made_once_is_shared(place, expected, tmp_path):
    head = "from azureml.ai.monitoring.context import BasicCorrelationContext\n\n\n"
    script = head + place.format("BasicCorrelationContext()")
    assert names(check(tmp_path, {"score.py": script + RUN})) - {"missing-function"} == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("id='one'", {"constant-correlation-id"}),
        ("'one'", {"constant-correlation-id"}),
        ("id=ONE", {"constant-correlation-id"}),
        ("", set()),
        ("id=''", set()),
        ("id=None", set()),
        ("id=str(uuid.uuid4())", set()),
        ("id=request_headers.get('X-Request-Id', 'none')", set()),
    ],
)
def test_an_id_that_is_written_out_is_the_same_for_every_request(given, expected, tmp_path):
    context = f"    context = BasicCorrelationContext({given})\n"
    run = f"ONE = 'one'\n\ndef run(data, request_headers):\n{context}"
    rest = f"    inputs.collect({FRAME}, context)\n    outputs.collect({FRAME}, context)\n    return data\n"
    assert names(check(tmp_path, {"score.py": COLLECTORS + run + rest})) == expected


@pytest.mark.parametrize("made", ["Path(__file__)" + ".parent" * 500, "HERE" + " / '..'" * 500])
def test_a_path_that_is_made_of_very_many_parts_is_left_alone(made, tmp_path):
    head = "from pathlib import Path\n\nHERE = Path(__file__).parent\n\n\n"
    script = f"{head}def init():\n    open({made} / 'labels.txt')\n\n\n{RUN}"
    assert names(check(tmp_path, {"score.py": script})) == set()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("from src import helper\n", {"import-by-folder-name"}),
        ("import src.helper\n", {"import-by-folder-name"}),
        ("from src.other import helper\n", set()),
        ("try:\n    from src.helper import x\nexcept ImportError:\n    from helper import x\n", set()),
        ("import sys\n\nsys.path.append('..')\nfrom src.helper import x\n", set()),
        ("from helper import src\n", set()),
    ],
)
def test_the_name_of_the_folder_is_no_package(script, expected, tmp_path):
    assert names(check(tmp_path, {"score.py": f"{script}\n\n{START}{RUN}", "helper.py": "x = src = 1\n"})) == expected


def test_a_package_of_the_folders_name_may_be_in_the_folder(tmp_path):
    script = f"from src.helper import x\n\n\n{START}{RUN}"
    assert names(check(tmp_path, {"score.py": script, "src/helper.py": "x = 1\n", "helper.py": "x = 1\n"})) == set()


# --- the sample request shows what text cannot -----------------------------------------------------------------------

ROWS = "def run(data):\n    body = json.loads(data)\n    inputs.collect(pd.DataFrame({}))\n    outputs\n    return 1\n"


@pytest.mark.parametrize(
    ("made_of", "sample", "expected"),
    [
        ("body['data']", '{"data": [[1, 2]]}', {"unnamed-columns"}),
        ("body['data']", '{"data": [1, 2]}', {"unnamed-columns"}),
        ("body['data']['rows']", '{"data": {"rows": [[1]]}}', {"unnamed-columns"}),
        ("body['data']", '{"data": [{"a": 1}]}', set()),
        ("body['data']", '{"data": {"a": [1]}}', set()),
        ("body['data'], columns=COLUMNS", '{"data": [[1, 2]]}', set()),
        ("body", "[[1, 2]]", {"unnamed-columns"}),
        ("prepare(body)", '{"data": [[1, 2]]}', set()),
        ("body['other']", '{"data": [[1, 2]]}', set()),
    ],
)
def test_rows_without_names_show_in_the_sample_request(made_of, sample, expected, tmp_path):
    found = check(tmp_path, {"score.py": COLLECTORS + ROWS.format(made_of)}, **{"sample-request.json": sample})
    assert names(found) == expected


def test_without_a_sample_request_rows_may_have_names(tmp_path):
    assert check(tmp_path, {"score.py": COLLECTORS + ROWS.format("body['data']")}) == []


# --- contexts that are passed when there is one ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "keep",
    [
        "    return collector.collect(frame, context) if context else collector.collect(frame)\n",
        "    return collector.collect(frame) if context is None else collector.collect(frame, context)\n",
        "    if context:\n        collector.collect(frame, correlation_context=context)\n"
        "    else:\n        collector.collect(frame)\n",
        "    if context is not None:\n        return collector.collect(frame, context)\n"
        "    return collector.collect(frame, None)\n",
    ],
)
def test_a_function_that_passes_the_context_if_there_is_one_is_left_alone(keep, tmp_path):
    script = (
        f"{COLLECTORS}def keep(collector, frame, context=None):\n{keep}\n\n"
        f"def run(data):\n    {{0}}keep(inputs, {FRAME})\n"
        f"    keep(outputs, {ANSWER}{{1}})\n    return 1\n"
    )
    passed, dropped = ((script.replace("{0}", a).replace("{1}", b)) for a, b in (("it = ", ", it"), ("", "")))
    assert check(tmp_path / "passed", {"score.py": passed}) == []
    assert names(check(tmp_path / "dropped", {"score.py": dropped})) == {"context-not-passed"}


# --- Collectors that objects hold ------------------------------------------------------------------------------------

HOLDER = """\
class Recorder:
    inputs = None

    def __init__(self):
        self.inputs = None
        self.start()

    def start(self):
        self.inputs = Collector(name="model_inputs", on_error=print)
        self.outputs: Collector = Collector(name="model_outputs", on_error=print)

    def keep(self, frame, answer, context=None):
        {first}
        self.write(answer, context)

    def write(self, answer, context):
        {second}


def run(data):
    recorder.keep({frame}, {answer})
    return 1
"""
HELD = COLLECTORS.partition("    global inputs")[0] + "    global recorder\n    recorder = Recorder()\n\n\n"


def holder(first: str, second: str = "self.outputs.collect(answer, context)") -> str:
    """A script whose Collectors are attributes of an object."""
    return HELD + HOLDER.format(first=first, second=second, frame=FRAME, answer=ANSWER)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("context = self.inputs.collect(frame)", "self.outputs.collect(answer, context)", set()),
        ("self.context = self.inputs.collect(frame)", "self.outputs.collect(answer, self.context)", set()),
        ("self.inputs.collect(frame)", "self.outputs.collect(answer)", {"context-not-passed"}),
        ("collector = self.inputs; collector.collect(frame)", "self.outputs.collect(answer)", {"context-not-passed"}),
        ("self.inputs.collect(frame)", "self.outputs.collect(answer, context)", {"context-not-passed"}),
        ("context = self.inputs.collect([1])", "self.outputs.collect(answer, context)", {"collect-not-frame"}),
        ("context = self.inputs.collect(frame)", "self.outputs.collect({}, context)", {"collect-not-frame"}),
        ("context = self.inputs.collect(frame)", "self.outputs.collect(answer, 'id')", {"context-type"}),
        ("self.others.collect(frame)", "self.others.collect([1])", set()),
    ],
)
def test_collectors_that_an_object_holds_are_followed(first, second, expected, tmp_path):
    assert names(check(tmp_path, {"score.py": holder(first, second)})) == expected


def test_a_script_whose_object_drops_the_context_gives_events_that_do_not_join(tmp_path):
    module = "# score.py\nimport pandas as pd\nimport recording\n\n\ndef init():\n    global recorder\n"
    module += (
        f"    recorder = recording.Recorder()\n\n\ndef run(data):\n    recorder.keep({FRAME}, {ANSWER})\n    return 1\n"
    )
    text = holder("self.inputs.collect(frame)").partition("def init")[0]
    text += HOLDER.partition("\n\ndef run")[0].format(
        first="self.inputs.collect(frame)", second="self.outputs.collect(answer)"
    )
    found = check(tmp_path, files(module) | {"recording.py": text})
    assert names(found) == {"context-not-passed"}


def test_an_object_that_is_passed_to_a_function_is_followed(tmp_path):
    script = holder("").replace("recorder.keep(", "keep(recorder, ")
    script += "\n\ndef keep(of, frame, answer):\n    of.inputs.collect(frame)\n    of.outputs.collect(answer)\n"
    assert names(check(tmp_path, {"score.py": script})) == {"context-not-passed"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("class Recorder:", "class Recorder(list):"),
        ("class Recorder:", "@print\nclass Recorder:"),
        ("def run(data):", "class Other(Recorder):\n    pass\n\n\ndef run(data):"),
        ("def run(data):", "def run(data):\n    recorder.inputs = recorder.outputs = data"),
        ("    def start(self):", "    def stop(self):\n        del self.inputs, self.outputs\n\n    def start(self):"),
        ("    def start(self):", "    @classmethod\n    def start(self):"),
    ],
)
def test_what_an_object_holds_is_not_guessed(old, new, tmp_path):
    script = holder("self.inputs.collect([1])", "self.outputs.collect([1])")
    assert names(check(tmp_path / "certain", {"score.py": script})) >= {"collect-not-frame"}
    assert not names(check(tmp_path / "open", {"score.py": script.replace(old, new, 1)})) & {
        "collect-not-frame",
        "context-not-passed",
    }


# --- one finding for one cause ---------------------------------------------------------------------------------------


def problems(folder: Path, rule: str) -> list[Problem]:
    return [each.problem for each in rules.run(project.load([folder]), [rules.rules()[rule]])]


def test_json_text_is_reported_once_and_not_where_an_error_is_the_answer(tmp_path):
    body = (
        "import json\n\n\ndef init():\n    pass\n\n\ndef run(data):\n    try:\n        if not data:\n"
        "            return json.dumps([])\n        return json.dumps([1])\n"
        "    except Exception as error:\n        return json.dumps({'error': str(error)})\n"
    )
    assert check(tmp_path, {"score.py": body}) == [("return-json-text", 11), ("error-as-answer", 14)]
    (one,) = problems(tmp_path, "return-json-text")
    assert [each.span.line for each in one.related] == [12]


def test_json_text_that_only_an_error_gives_has_one_finding(tmp_path):
    body = (
        "import json\n\n\ndef init():\n    pass\n\n\ndef run(data):\n    try:\n        return [1]\n"
        "    except Exception as error:\n        answer = json.dumps({'error': str(error)})\n        return answer\n"
    )
    assert names(check(tmp_path, {"score.py": body})) == {"error-as-answer"}


def test_collectors_without_on_error_are_reported_together(tmp_path):
    script = COLLECTORS.replace(", on_error=print", "") + RUN
    assert [each for each in check(tmp_path, {"score.py": script}) if each[0] == "no-on-error"] == [("no-on-error", 14)]
    (one,) = problems(tmp_path, "no-on-error")
    assert [each.span.line for each in one.related] == [15]


def test_a_name_that_another_collector_has_is_not_suggested(tmp_path):
    only_inputs = DEPLOYMENT.partition("    model_outputs")[0]
    check(tmp_path, {"score.py": COLLECTORS + RUN}, only_inputs)
    (one,) = problems(tmp_path, "collector-not-enabled")
    assert one.message == (
        "the deployment declares no collection 'model_outputs': nothing is collected; "
        "add `model_outputs: {enabled: 'true'}` to its collections, or drop this Collector"
    )
    slip = COLLECTORS.replace("model_outputs", "model_output")
    check(tmp_path, {"score.py": slip + RUN})
    (one,) = problems(tmp_path, "collector-not-enabled")
    assert one.message.endswith("'model_output': nothing is collected; did you mean 'model_outputs'?")


# --- places ----------------------------------------------------------------------------------------------------------


def test_a_finding_points_at_the_very_thing_in_the_very_module(tmp_path):
    helper = "def keep(collector, frame):\n    collector.collect(frame, 'id')  # \u00e9\u00e9\n"
    body = f"from keeping import keep\n\n\ndef run(data):\n    keep(inputs, {FRAME})\n    outputs\n    return 1\n"
    check(tmp_path, {"score.py": COLLECTORS + body, "keeping.py": helper})
    (found,) = [each for each in rules.run(project.load([tmp_path])) if each.rule == "context-type"]
    span = found.problem.span
    assert (span.source.path.name, span.line, span.text) == ("keeping.py", 2, "'id'")


def test_the_fix_of_a_context_that_is_not_passed_is_offered_only_where_it_stands_ready(tmp_path):
    kept = f"def run(data):\n    c = inputs.collect({FRAME})\n    outputs.collect({ANSWER})\n    return 1\n"
    check(tmp_path / "kept", {"score.py": COLLECTORS + kept})
    check(tmp_path / "dropped", {"score.py": COLLECTORS + kept.replace("c = ", "")})
    fixes = {
        name: [edit.text for each in rules.run(project.load([tmp_path / name])) for edit in each.problem.fix]
        for name in ("kept", "dropped")
    }
    assert fixes == {"kept": [", c"], "dropped": []}


def test_recursion_between_functions_ends(tmp_path):
    body = (
        "def one(collector, frame):\n    two(collector, frame)\n    two(collector, frame)\n\n\n"
        "def two(collector, frame):\n    one(collector, frame)\n    collector.collect(frame)\n"
        f"\n\ndef run(data):\n    one(inputs, {FRAME})\n    outputs\n    return 1\n"
    )
    assert check(tmp_path, {"score.py": COLLECTORS + body}) == []


def test_functions_that_call_many_functions_that_call_many_end_at_once(tmp_path):
    calls = "".join(f"    f{{}}_{number}(frame)\n" for number in range(30))
    layers = "".join(
        f"def f{depth}_{number}(frame):\n{calls.format(*[depth + 1] * 30)}\n\n"
        for depth in range(5)
        for number in range(30)
    )
    body = f"def run(data):\n{calls.format(*[0] * 30)}    inputs.collect('x')\n    outputs\n    return 1\n"
    assert names(check(tmp_path, {"score.py": COLLECTORS + layers + body})) == {"collect-not-frame"}


def test_names_that_stand_for_each_other_end(tmp_path):
    body = "a = b\nb = a\n\n\ndef run(data):\n    inputs.collect(a, b)\n    outputs\n    return a\n"
    assert check(tmp_path, {"score.py": COLLECTORS + body}) == []
