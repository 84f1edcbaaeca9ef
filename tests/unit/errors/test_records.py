"""Frozen values without dataclasses."""

import pickle

import pytest

from yaoki.errors import Record


class Base(Record):
    size: int
    name: str = "x"


class Child(Base):
    colour: str = "red"

    def check(self) -> None:
        if self.size < 0:
            raise ValueError("size")


def test_fields_defaults_and_inheritance() -> None:
    child = Child(size=1, colour="blue")
    assert repr(child) == "Child(size=1, name='x', colour='blue')"
    assert child.as_dict() == {"size": 1, "name": "x", "colour": "blue"}
    assert child.but(name="y") == Child(size=1, name="y", colour="blue")
    assert not hasattr(child, "__dict__")


@pytest.mark.parametrize("values", [{}, {"size": 1, "shape": "round"}])
def test_missing_and_unknown_fields_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="Child: unknown"):
        Child(**values)


def test_it_checks_itself_when_made_and_when_changed() -> None:
    with pytest.raises(ValueError, match="size"):
        Child(size=-1)
    with pytest.raises(ValueError, match="size"):
        Child(size=1).but(size=-1)


def test_equality_is_by_type_and_value() -> None:
    assert Child(size=1) == Child(size=1)
    assert hash(Child(size=1)) == hash(Child(size=1))
    assert Child(size=1) != Base(size=1)
    assert Child(size=1) != Child(size=2)
    assert pickle.loads(pickle.dumps(Base(size=3))) == Base(size=3)


@pytest.mark.parametrize("name", ["__annotate__", "__annotate_func__"])
def test_annotations_that_are_evaluated_late_are_fields_too(name: str) -> None:
    late = type(Record)("Late", (Record,), {name: lambda _: {"size": int, "name": str}, "name": "x"})
    assert late(size=2).as_dict() == {"size": 2, "name": "x"}
