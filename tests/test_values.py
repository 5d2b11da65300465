"""What names and expressions of a script stand for: one answer where it is certain, none where it is not."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from amlready.kinds import Kind, kind
from amlready.source import Source
from amlready.syntax import Module, parse
from amlready.values import Parameter, literal, literals, source


def module(text: str) -> Module:
    parsed = parse(Source(Path("score.py"), text))
    assert isinstance(parsed, Module)
    return parsed


def used(text: str) -> tuple[Module, ast.expr]:
    """The module, and the argument of its call of use()."""
    found = module(text)
    (call,) = [node for node in found.of(ast.Call) if isinstance(node.func, ast.Name) and node.func.id == "use"]
    return found, call.args[0]


def stands_for(text: str) -> str | None:
    found = source(*used(text))
    if isinstance(found, Parameter):
        return f"parameter {found.name}"
    return ast.unparse(found) if found is not None else None


def run(*lines: str) -> str:
    return "def run(data):\n" + "".join(f"    {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (run("use(data)"), "parameter data"),
        (run("x = 1", "use(x)"), "1"),
        (run("x = 1", "x = 2", "use(x)"), "2"),
        (run("x = y = 1", "use(y)"), "1"),
        (run("x, y = 1, 2", "use(y)"), "2"),
        (run("x, y = f()", "use(y)"), None),
        (run("x, *y = 1, 2", "use(y)"), None),
        (run("x: int = 1", "use(x)"), "1"),
        (run("x = 1", "x += 1", "use(x)"), None),
        (run("data = f(data)", "use(data)"), "f(data)"),
        (run("use(data)", "data = 1"), "parameter data"),
        (run("x = 1", "if data:", "    x = 2", "use(x)"), None),
        (run("x = 1", "if data:", "    x = 2", "    use(x)"), "2"),
        (run("if data:", "    x = 1", "else:", "    x = 2", "use(x)"), None),
        (run("x = 1", "for each in data:", "    use(x)"), "1"),
        (run("x = 1", "for each in data:", "    use(x)", "    x = 2"), None),
        (run("x = 1", "for each in data:", "    x = 2", "    use(x)"), "2"),
        (run("x = 1", "while use(x):", "    x = 2"), None),
        (run("for x in data:", "    use(x)"), None),
        (run("with open(data) as x:", "    use(x)"), None),
        (run("with open(data):", "    x = 1", "use(x)"), "1"),
        (run("try:", "    x = 1", "except Exception:", "    raise", "use(x)"), "1"),
        (run("try:", "    x = 1", "except Exception:", "    return {}", "use(x)"), "1"),
        (run("try:", "    x = 1", "except Exception:", "    pass", "use(x)"), None),
        (run("try:", "    x = 1", "except Exception:", "    x = 2", "use(x)"), None),
        (run("try:", "    x = 1", "finally:", "    pass", "use(x)"), "1"),
        (run("try:", "    pass", "finally:", "    x = 1", "use(x)"), "1"),
        (run("x = 1", "del x", "use(x)"), None),
        (run("if (x := 1):", "    use(x)"), "1"),
        (run("import x", "use(x)"), None),
        (run("x = 1", "[use(x) for x in data]"), None),
        (run("x = 1", "[use(x) for y in data]"), "1"),
        (run("x = 1", "f(lambda x: use(x))"), None),
        (run("x = 1", "f(lambda y: use(x))"), "1"),
        (run("match data:", "    case [x]:", "        use(x)"), None),
        ("X = 1\n\n\n" + run("use(X)"), "1"),
        ("X = 1\nX = 2\n\n\n" + run("use(X)"), None),
        ("X = None\n\n\ndef init():\n    global X\n    X = 1\n\n\n" + run("use(X)"), "1"),
        ("def init():\n    X = 1\n\n\n" + run("use(X)"), None),
        ("def init():\n    global X\n    X = 1\n\n\n" + run("global X", "X = 2", "use(X)"), None),
        ("X = 1\n\n\nclass A:\n    X = 2\n\n\n" + run("use(X)"), "1"),
        (run("x = 1", "def inner():", "    use(x)", "return inner"), "1"),
        (run("x = 1", "x = 2", "def inner():", "    use(x)", "return inner"), None),
        ("def run(data, x=use(data)):\n    pass\n", None),
        ("a = b\nb = a\n\n\n" + run("use(a)"), None),
    ],
)
def test_a_name_stands_for_what_certainly_reaches_it(text, expected):
    assert stands_for(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'a'", "a"),
        ("NAME", "model_inputs"),
        ("OTHER", None),
        ("f'a'", None),
        ("1", None),
    ],
)
def test_a_literal_is_text_that_is_written_somewhere(text, expected):
    head = "NAME = 'model_inputs'\nOTHER = 'a' + NAME\n\n\n"
    assert literal(*used(head + run(f"use({text})"))) == expected


def test_a_list_that_grows_is_no_literal():
    assert literals(*used("X = ['a']\n\n\n" + run("use(X)"))) is not None
    assert literals(*used("X = ('a', *Y)\n\n\n" + run("use(X)"))) is None
    for change in ("X.append('b')", "X[0] = 'b'", "X.extend(data)"):
        assert literals(*used("X = ['a']\n\n\n" + run(change, "use(X)"))) is None


IMPORTS = (
    "import json\nimport joblib\nimport numpy as np\nimport pandas as pd\nimport torch\nfrom datetime import datetime\n"
    "from uuid import uuid4\n\nmodel = joblib.load('m')\n\n\n"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("np.zeros(3).reshape(-1, 1)", Kind.ARRAY),
        ("np.zeros(3)[1:]", Kind.ARRAY),
        ("np.zeros(3)[0]", None),
        ("np.zeros(3) + 1", Kind.ARRAY),
        ("np.zeros(3) > 1", None),
        ("np.zeros(3).sum()", None),
        ("pd.DataFrame(data)", Kind.FRAME),
        ("pd.DataFrame(data).copy().values", Kind.ARRAY),
        ("pd.DataFrame(data)[['a', 'b']]", Kind.FRAME),
        ("pd.DataFrame(data)['a']", Kind.SERIES),
        ("pd.DataFrame(data)[data]", None),
        ("pd.DataFrame(data).drop('a', inplace=True)", None),
        ("pd.DataFrame(data).to_json()", Kind.JSON),
        ("pd.DataFrame(data).to_json('file.json')", Kind.NONE),
        ("pd.read_csv('x')", Kind.FRAME),
        ("pd.read_csv('x', chunksize=3)", None),
        ("data.to_json(orient='records')", Kind.JSON),
        ("data.to_json()", None),
        ("json.loads(data)['a']['b']", Kind.PARSED),
        ("json.dumps(data).encode()", Kind.BYTES),
        ("data.encode()", None),
        ("'a'.encode()", Kind.BYTES),
        ("datetime.now()", Kind.TIME),
        ("datetime.now().isoformat()", Kind.TEXT),
        ("uuid4().hex", Kind.TEXT),
        ("torch.tensor(data).numpy()", Kind.ARRAY),
        ("model.predict(data)", Kind.PREDICTION),
        ("model.predict(data).tolist()", Kind.LIST),
        ("other.predict(data)", None),
        ("[1] if data else [2]", Kind.LIST),
        ("[1] if data else 2", None),
        ("data or []", None),
        ("str(data)", Kind.TEXT),
        ("list(data)", Kind.LIST),
        ("unknown(data)", None),
        ("data", None),
        ("None", Kind.NONE),
        ("b'x'", Kind.BYTES),
        ("(x for x in data)", Kind.ITERATOR),
        ("{'a': 1}.items()", Kind.ITERATOR),
        ("data.items()", None),
    ],
)
def test_a_kind_is_given_where_the_text_makes_it_certain(text, expected):
    assert kind(*used(IMPORTS + run(f"use({text})"))) is expected


def test_a_builtin_that_is_defined_anew_has_no_kind():
    assert kind(*used("def list(x):\n    return x\n\n\n" + run("use(list(data))"))) is None
    assert kind(*used("from own import *\n\n\n" + run("use(list(data))"))) is None


def test_an_exception_is_one_inside_of_its_handler_only():
    inside = run("try:", "    pass", "except Exception as e:", "    use(e)")
    outside = run("try:", "    pass", "except Exception as e:", "    pass", "use(e)")
    assert kind(*used(inside)) is Kind.EXCEPTION
    assert kind(*used(outside)) is None
