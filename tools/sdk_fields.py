"""How each of azure-ai-ml's field classes reads a value, as JSON Schema.

A class that is not in READERS, or one of its options that nothing here expects, raises Unknown: it has to be read and
written down first. Patterns are written so that they mean the same to Python and to JavaScript.
"""

from __future__ import annotations

import random
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from marshmallow import fields, utils, validate

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from azure.ai.ml._schema.core import fields as sdk
    from azure.ai.ml._utils._arm_id_utils import AMLVersionedArmId
    from azure.ai.ml._utils.utils import camel_to_snake
    from azure.ai.ml.constants._common import (
        AZUREML_RESOURCE_PROVIDER,
        NAMED_RESOURCE_ID_FORMAT,
        REGISTRY_VERSION_PATTERN,
    )

Node = dict[str, Any]

END = r"(?![\s\S])"
"""The very end of a text, in Python as in JavaScript; Python's `$` also matches before a last line feed."""

SOMETHING: Node = {"not": {"type": "null"}}


class Unknown(Exception):
    """The SDK has something that these tools were not taught."""


def text(field: Any) -> Node:
    node: Node = {"type": "string"}
    for rule in field.validators:
        match rule:
            case validate.Regexp():
                node["pattern"] = rule.regex.pattern
            case validate.OneOf():
                node["enum"] = list(rule.choices)
            case validate.URL():
                return {"type": "string", "format": "uri", "pattern": url_pattern(rule)}
            case _:
                raise Unknown(f"the validator {rule!r}")
    return node


def url_pattern(rule: validate.URL) -> str:
    """The validator's own pattern, written out for both letter cases and with the schemes that it checks beside it."""
    pattern = rule._regex(relative=rule.relative, absolute=rule.absolute, require_tld=rule.require_tld).pattern
    pattern = re.sub(r"([A-Za-z])-([A-Za-z])", lambda m: f"{m[0].upper()}{m[0].lower()}", pattern)
    schemes = "|".join(map(any_case, sorted(rule.schemes)))
    pattern = pattern.replace(r"(?:[A-Za-z0-9\.\-\+]*)://", f"(?:{schemes})://")
    return pattern.replace("localhost", any_case("localhost")).replace(r"\Z", END)


def any_case(word: str) -> str:
    return "".join(f"[{c.upper()}{c}]" if c.isalpha() else re.escape(c).replace(r"\-", "-") for c in word.lower())


def choice(field: Any) -> Node:
    """One of some words: in any letter case, or spelled in camel case where the SDK turns that into snake case."""
    words = [str(getattr(word, "value", word)) for word in field.allowed_values]
    camel = field.casing_transform is camel_to_snake
    spelling = camel_spelling if camel else any_case
    pattern = f"^(?:{'|'.join(map(spelling, words))}){END}"
    for word in words:
        for form in spelled(word):
            if bool(re.search(pattern, form)) != (field.casing_transform(form) in words):
                raise Unknown(f"how {field.casing_transform} reads {form!r}")
    return {
        "type": "string",
        "anyOf": [{"enum": words}, {"pattern": pattern}],
        "x-amlready": "camel-case" if camel else "any-case",
    }


def camel_spelling(word: str) -> str:
    """Every text that becomes `word`: each part is lower, Capital or UPPER, and `_` or a change of case parts them."""
    head, *rest = word.split("_")
    forms = [f"(?:{head}|{head.capitalize()}|{head.upper()})"]
    for before, part in zip([head, *rest], rest, strict=False):
        bounded = f"(?<={before[-1]}){part.upper()}"
        forms.append(f"(?:_(?:{part}|{part.upper()})|{part.capitalize()}|{bounded})")
    return "".join(forms)


def spelled(word: str) -> Iterator[str]:
    """A sample of spellings: with and without `_`, in shuffled letter cases."""
    shuffled = random.Random(word)
    parts = word.split("_")
    for separator in ("_", "", "__", "-"):
        yield from (separator.join(parts), separator.join(map(str.capitalize, parts)), separator.join(parts).upper())
        for _ in range(150):
            yield separator.join(shuffled.choice((p, p.upper(), p.capitalize())) for p in parts)
            yield "".join(shuffled.choice((c.upper(), c)) for c in separator.join(parts))


def number(kind: str, pattern: str) -> Callable[[Any], Node]:
    def read(field: Any) -> Node:
        if getattr(field, "strict", False) or getattr(field, "allow_nan", False) or field.validators:
            raise Unknown(f"the options of {field!r}")
        return {"type": ["number", "string"], "pattern": rf"^\s*[+-]?{pattern}\s*{END}", "x-amlready": kind}

    return read


_DIGITS = r"\d+(?:_\d+)*"
_DECIMAL = rf"(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?"
_SPECIAL = rf"(?:{any_case('inf')}(?:{any_case('inity')})?|{any_case('nan')})"


def boolean(field: Any) -> Node:
    words = sorted(word for word in field.truthy | field.falsy if isinstance(word, str))
    if field.truthy - set(words) != {1} or field.falsy - set(words) != {0}:
        raise Unknown("a boolean that is not 0 or 1")
    return {"enum": [True, False, *words, 1, 0], "x-amlready": "boolean"}


def version(_: Any) -> Node:
    return {"type": ["string", "number", "boolean"], "x-amlready": "version"}


def reference(_: Any) -> Node:
    """`azureml:name`: any text after the prefix."""
    return {"type": "string", "pattern": "^azureml:", "x-amlready": "reference"}


def versioned(field: Any) -> Node:
    """`azureml:name:version` and its kin. Names with a slash must be whole resource ids of the right form."""
    resource = NAMED_RESOURCE_ID_FORMAT.format(".*", ".*", AZUREML_RESOURCE_PROVIDER, ".*", field.azureml_type, ".*")
    resource = re.sub(r"[A-Za-z]+", lambda m: any_case(m[0]), resource)
    complete = [AMLVersionedArmId.REGEX_PATTERN.removeprefix("^"), REGISTRY_VERSION_PATTERN.removeprefix("^")]
    names = rf"(?!{resource})(?:(?=/)|(?![\s\S]*/))"
    if not field.allow_default_version:
        names += rf"(?=[\s\S]*@[^@]+{END}|[^:]*:[\s\S])"
    forms = "|".join([END, *complete, names])
    return {"type": "string", "pattern": f"^azureml:(?:{forms})", "x-amlready": "versioned"}


def registry(_: Any) -> Node:
    return {"type": "string", "pattern": "^azureml://registries/", "x-amlready": "registry"}


def date_time(field: Any) -> Node:
    if getattr(field, "format", None) not in (None, "iso"):
        raise Unknown(f"the format of {field!r}")
    pattern = re.sub(r"\(\?P<\w+>", "(?:", utils._iso8601_datetime_re.pattern)
    return {"type": "string", "pattern": f"^{pattern}", "x-amlready": "date-time"}


def local_path(field: Any) -> Node:
    if not (field._allow_dir and field._allow_file):
        raise Unknown("a local path that must be a folder, or a file")
    return {"type": "string", "x-amlready": "path"}


READERS: dict[type[Any], Callable[[Any], Node]] = {
    fields.String: text,
    fields.Url: text,
    fields.Raw: lambda _: dict(SOMETHING),
    fields.Boolean: boolean,
    fields.Integer: number("integer", _DIGITS),
    fields.Float: number("finite", _DECIMAL),
    fields.Number: number("number", rf"(?:{_DECIMAL}|{_SPECIAL})"),
    fields.DateTime: date_time,
    sdk.DumpableIntegerField: number("integer", _DIGITS),
    sdk.DateTimeStr: date_time,
    sdk.LocalPathField: local_path,
    sdk.StringTransformedEnum: choice,
    sdk.VersionField: version,
    sdk.ArmStr: reference,
    sdk.ArmVersionedStr: versioned,
    sdk.RegistryStr: registry,
}
