"""Frozen values behave as frozen dataclasses do."""

from __future__ import annotations

from functools import cached_property

import pytest

from amlready.frozen import field, forget, frozen, once, replace


@frozen
class Point:
    x: int
    y: int = 0
    tags: list[str] = field(default_factory=list)


@frozen
class Named(Point):
    name: str = ""

    @cached_property
    def length(self) -> int:
        return len(self.name)


@frozen(eq=False)
class Thing:
    x: int


def test_fields_are_given_by_place_or_name_and_have_defaults():
    assert (Point(1).x, Point(1).y, Point(1).tags) == (1, 0, [])
    assert Point(1, y=2) == Point(x=1, y=2)
    assert repr(Point(1)) == "Point(x=1, y=0, tags=[])"


def test_a_default_that_can_change_is_made_for_each_value():
    assert Point(1).tags is not Point(1).tags


def test_nothing_can_be_changed():
    point = Point(1)
    with pytest.raises(AttributeError, match="frozen"):
        point.x = 2
    with pytest.raises(AttributeError, match="frozen"):
        del point.x


def test_values_are_compared_and_hashed_by_content_unless_told_otherwise():
    assert Named(1, name="a") == Named(1, name="a") != Named(1, name="b")
    assert Point(1) != Named(1)
    assert Thing(1) != Thing(1)
    assert len({Thing(1), Thing(1)}) == 2

    @frozen
    class Key:
        x: int

    assert len({Key(1), Key(1), Key(2)}) == 2


def test_fields_are_inherited_and_properties_cached():
    named = Named(1, 2, name="abc")
    assert (named.length, named.__dict__["length"], named.y) == (3, 3, 2)
    assert Named(1, name="abc") == Named(1, name="abc")


def test_a_copy_differs_where_it_is_told_to():
    assert replace(Point(1, 2), y=3) == Point(1, 3)


def test_patterns_match_by_place():
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)


@pytest.mark.parametrize(
    "arguments", [((), {}), ((1, 2, [], 4), {}), ((1,), {"x": 2}), ((1,), {"z": 2}), ((), {"y": 1})]
)
def test_wrong_arguments_are_refused(arguments):
    with pytest.raises(TypeError):
        Point(*arguments[0], **arguments[1])


def test_a_function_of_a_value_is_called_once_for_each_value():
    calls = []

    @once
    def doubled(point):
        calls.append(point)
        yield point.x * 2

    one, other = Point(1), Point(1)
    assert [list(doubled(one)), list(doubled(one)), list(doubled(other))] == [[2], [2], [2]]
    assert len(calls) == 2
    assert one == other


def test_what_is_remembered_can_be_forgotten_and_is_found_out_again():
    asked = []

    @once
    def doubled(point: Point) -> int:
        asked.append(point)
        return 2 * point.x

    named = Named(1, name="here")
    assert (doubled(named), doubled(named), named.length) == (2, 2, 4)
    forget(named)
    assert vars(named) == {"x": 1, "y": 0, "tags": [], "name": "here"}
    assert (doubled(named), named.length, len(asked)) == (2, 4, 2)


def test_a_class_may_write_its_own_initialiser():
    @frozen
    class Pair:
        one: int
        other: int = 0

        def __init__(self, one: int, other: int = 0) -> None:
            self.__dict__.update(one=one, other=other)

    assert Pair(1) == Pair(1, other=0)
    with pytest.raises(AttributeError, match="is frozen"):
        Pair(1).one = 2
