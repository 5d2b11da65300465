"""Conditions on versions, compared with what pip itself uses."""

from __future__ import annotations

import itertools

import pytest
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from amlready.versions import ANY, is_before, is_prerelease, key, stretch

VERSIONS = [
    *("0.1.0b1", "0.1.0b4", "0.1.0", "0.8.4", "0.8.4.2", "1.0", "1.0.0", "1.2.2", "1.3.4", "1.4.0", "1.4.1"),
    *("1.5.0rc1", "1.5.0.dev3", "1.5.0", "1.5.1", "1.5.1.post1", "1.10", "2", "2.0.1", "2.12.5", "3.0", "2024.7.4"),
]
CONDITIONS = [
    *("", "==1.4.0", "==1.4", "==1.4.*", "~=1.3", "~=1.3.0", "~=2.9.0", ">=1.4.1", ">1.4.0", "<1.4", "<=1.3.4"),
    *(">=1,<2", "==1.0", "===1.4.0", "~=0.1.0b1", ">=1.2,<1.4,!=1.3.4", ">=2.1,<2", "<2.3.0", "== 1.5.1"),
]


def test_versions_are_in_pips_order():
    for one, two in itertools.product(VERSIONS, VERSIONS):
        assert is_before(one, two) == (Version(one) < Version(two)), (one, two)


@pytest.mark.parametrize("version", VERSIONS)
def test_prereleases_are_told(version):
    assert is_prerelease(version) == Version(version).is_prerelease


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_condition_admits_what_pip_admits_aside_from_holes(condition):
    found = stretch(condition)
    assert found is not None
    for version in VERSIONS:
        admitted = SpecifierSet(condition).contains(version, prereleases=True)
        if admitted or "!=" not in condition:
            assert (
                found.admits(version) == admitted or Version(version).is_prerelease or Version(version).is_postrelease
            )


def test_two_conditions_meet_where_a_version_is_in_both():
    for one, two in itertools.product(CONDITIONS, CONDITIONS):
        first, second = stretch(one), stretch(two)
        assert first is not None
        assert second is not None
        if any(Version(each) in SpecifierSet(one) & SpecifierSet(two) for each in VERSIONS):
            assert first.meets(second), (one, two)


@pytest.mark.parametrize(
    ("one", "two"),
    [("==2.9.2", "~=2.12.0"), ("<2", "~=2.0"), ("==3.0.3", "<=2.3.2"), ("==1.4.0", ">1.4.0"), (">2", "<2")],
)
def test_two_conditions_do_not_meet(one, two):
    first, second = stretch(one), stretch(two)
    assert first is not None
    assert second is not None
    assert not first.meets(second)
    assert not second.meets(first)


def test_reaching_is_letting_through_anything_from_a_version_on():
    answers = {text: stretch(text) for text in ("<1.4.1", "<=1.4.1", "~=1.3", "~=1.3.0", "==1.4.0", ">=0.8", "")}
    assert {text: found.reaches("1.4.1") for text, found in answers.items() if found} == {
        **{"<1.4.1": False, "<=1.4.1": True, "~=1.3": True, "~=1.3.0": False},
        **{"==1.4.0": False, ">=0.8": True, "": True},
    }


@pytest.mark.parametrize(
    ("condition", "admitted"),
    [
        ("=3.11", ("3.11", "3.11.16")),
        ("=3.1", ("3.1.4",)),
        ("==3.11.16", ("3.11.16",)),
        ("=3.11.16=h_0", ("3.11.16",)),
        (">=3.9,<3.12", ("3.11", "3.11.16")),
        ("3.11.*", ("3.11", "3.11.16")),
    ],
)
def test_a_single_equals_sign_of_conda_is_a_beginning(condition, admitted):
    found = stretch(condition, conda=True)
    assert found is not None
    versions = ("3.1.4", "3.8.20", "3.11", "3.11.16", "3.12.1")
    assert [each for each in versions if found.admits(each)] == list(admitted)


@pytest.mark.parametrize(
    "condition", ["=>1", "1.2|1.3", "@ https://example.org/x.whl", ">=x", "~=1", "==1.2.3.", "> =1"]
)
def test_what_cannot_be_read_is_none(condition):
    assert stretch(condition) is None
    if condition[0] != "@" and condition != "> =1":
        with pytest.raises(InvalidSpecifier):
            SpecifierSet(condition)


@pytest.mark.parametrize("version", ["", "x", "1..2", "1.2.x", "1" * 100, "latest", "-1"])
def test_what_is_no_version_has_no_key(version):
    assert key(version) is None


def test_anything_is_let_through_by_nothing():
    assert stretch("") == ANY
