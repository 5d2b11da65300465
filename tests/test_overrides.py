"""`--set`, compared with what azure-ai-ml does with the same settings."""

from __future__ import annotations

from pathlib import Path

import pydash
import pytest
import yaml

from amlready.document import Document, parse
from amlready.misuse import Misuse
from amlready.overrides import apply, override
from amlready.source import Source

TEXT = "a:\n  b: 1\n  c: [x, {d: 2}]\nshared: &s {k: v}\nalias: *s\n"


def document() -> Document:
    found = parse(Source(Path("x.yml"), TEXT))
    assert isinstance(found, Document)
    return found


@pytest.mark.parametrize(
    "setting",
    [
        "new=value",
        "a.b=2",
        "a.new.deep=value",
        "a.c[0]=y",
        "a.c[1].d=3",
        "a.c[2]=third",
        "a.c[1].e.f=4",
        "list[0]=first",
        "list[0].name=first",
        "alias.k=w",
        "a=",
        "a.b=x=y",
    ],
)
def test_a_setting_gives_what_the_sdk_gives(setting):
    path, _, value = setting.partition("=")
    expected = yaml.safe_load(TEXT)
    pydash.set_(expected, path, value)  # what azure-ai-ml calls with params_override
    found = document()
    apply(found, (override(setting),))
    assert found.root.value == expected


@pytest.mark.parametrize("setting", ["a", "=x", ".a=1", "a..b=1", "a[x]=1", "a[0=1", "[0]=1"])
def test_a_setting_of_another_form_is_misuse(setting):
    with pytest.raises(Misuse, match="form"):
        override(setting)


def test_text_has_no_keys_to_set():
    found = document()
    apply(found, (override("a.b=text"),))
    with pytest.raises(Misuse, match="has no keys"):
        apply(found, (override("a.b.c=1"),))


def test_a_place_far_beyond_a_list_is_misuse():
    with pytest.raises(Misuse, match="there is no 7"):
        apply(document(), (override("a.c[7]=x"),))
