"""Placeholders that something else fills in before `az ml` sees the file: `{{X}}`, `${X}`, `#{X}#` and the like.

They are found in the text, before it is parsed: `{{X}}` without quotes is no YAML value, and `#{X}#` is a comment. A
marker with a value (`--var X=value`) is read as that value; one without stays what it is, and is reported. Places never
move: the file is parsed with the markers masked by as many letters, and each value is put together again from what was
written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import yaml

from .frozen import frozen

_FORMS = (
    ("expression", r"\$\{\{(?!\s*(?:azureml|keyvault):)[^{}\n]*\}\}"),
    ("braces", r"(?<!\$)\{\{[^{}\n]*\}\}"),
    ("token", r"(?:(?<=[:\-]\s)|(?<=\S))#\{[\w.-]+\}#"),
    ("percent", r"<%=?[ \t]*[\w.-]+[ \t]*%>"),
    ("underscores", r"(?<![A-Za-z0-9_])__[A-Z][A-Z0-9_]*__(?![A-Za-z0-9_])"),
    ("angle", r"<[A-Za-z][\w ./-]*>"),
    ("variable", r"\$\{[A-Za-z_]\w*(?::-[^}\n]*)?\}|\$\([A-Za-z_][\w.]*\)|\$\[[^\]\n]+\]|\$(?!schema\b)[A-Za-z_]\w*"),
)
_MARKER = "|".join(f"(?P<{name}>{pattern})" for name, pattern in _FORMS)
_HINTS = ("{{", "#{", "<", "__")
_COMMENT = r"(?:^|(?<=\s))#(?!\{[\w.-]+\}#)"

MASKED = frozenset(("expression", "braces", "token", "flow"))
"""Forms that YAML itself would read as something else; `flow` is a variable with brackets in a list or mapping of one
line."""

_FLOW = r"\s*(?:-\s+)*(?:[^\s#'\"\[{][^#'\"\[{]*:\s+)?[\[{]"
_CLOSED = r"'[^']*'|\"[^\"]*\"|\$\{[^}\n]*\}+|\$\[[^\]\n]+\]"


@frozen
class Marker:
    """A placeholder: its character offsets, the syntax it is written in and the name inside it."""

    start: int
    end: int
    form: str
    name: str


def markers(text: str) -> list[Marker]:
    """The placeholders of a text, those in comments left out."""
    others = text.count("$") - text.count("$schema:") - text.count("$schema=")
    if not others and not any(hint in text for hint in _HINTS):
        return []
    return [found for found in map(_marker, re.finditer(_MARKER, text)) if not _in_comment(text, found.start)]


def _marker(found: re.Match[str]) -> Marker:
    name = re.sub(r"[^\w. /-]", "", found.group().partition(":-")[0]).strip()
    form = str(found.lastgroup)
    if form == "variable" and found.group()[1] in "{[" and _in_flow(found.string, found.start()):
        form = "flow"
    return Marker(found.start(), found.end(), form, name)


def _in_flow(text: str, at: int) -> bool:
    """Whether a list or mapping is open that begins on the same line, and no quote."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    rest = re.sub(_CLOSED, "", line)
    is_open = rest.count("[") + rest.count("{") > rest.count("]") + rest.count("}")
    return is_open and re.match(_FLOW, line) is not None and "'" not in rest and '"' not in rest


def _in_comment(text: str, at: int) -> bool:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return any(
        line.count("'", 0, found.start()) % 2 == 0 and line.count('"', 0, found.start()) % 2 == 0
        for found in re.finditer(_COMMENT, line)
    )


@frozen
class Template:
    """The markers of one file and the values that are known."""

    text: str
    markers: tuple[Marker, ...] = ()
    values: Mapping[str, str] | None = None

    @property
    def masked(self) -> str:
        """The text to parse: as long as the original, so that every offset is right."""
        text = self.text
        for each in self.markers:
            if each.form in MASKED:
                text = text[: each.start] + "x" * (each.end - each.start) + text[each.end :]
        return text

    def within(self, start: int, end: int) -> Iterator[Marker]:
        return (each for each in self.markers if each.start < end and start < each.end)

    def unfilled(self) -> tuple[Marker, ...]:
        """The markers that have no value."""
        return tuple(each for each in self.markers if each.name not in (self.values or {}))

    def written(self, start: int, end: int) -> str:
        """What stands between two offsets, with the values that are known in the place of their markers."""
        pieces, at = [], start
        for each in self.within(start, end):
            value = (self.values or {}).get(each.name)
            pieces += [self.text[at : each.start], self.text[each.start : each.end] if value is None else value]
            at = each.end
        return "".join([*pieces, self.text[at:end]])

    def value(self, start: int, end: int) -> tuple[object, str]:
        """The value that is written between two offsets, as safe_load reads it once filled in, and its text."""
        written = self.written(start, end)
        if any(each.name not in (self.values or {}) for each in self.within(start, end)):
            return written.strip("'\""), written.strip("'\"")
        try:
            value = yaml.safe_load(written)
        except (yaml.YAMLError, ValueError):
            value = written
        return (value, str(value)) if not isinstance(value, dict | list) else (written, written)


def template(text: str, values: Mapping[str, str]) -> Template:
    """The placeholders of a text, with the values to fill in."""
    return Template(text, tuple(markers(text)), values)
