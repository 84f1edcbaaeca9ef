"""Immutable values without the cost of `dataclasses`, which the bare package cannot afford to import.

    class BreakerPolicy(Record):
        threshold: int = 5
        break_s: float = 60.0

behaves like a frozen, slotted, keyword-only dataclass, for type checkers too.
"""

from typing import Any, Self, dataclass_transform

_BY_VALUE = 1  # annotationlib.Format.VALUE


def _annotated(namespace: dict[str, Any]) -> tuple[str, ...]:
    """The names that a class body annotates. From Python 3.14 on they come from a function in its namespace."""
    annotate = namespace.get("__annotate__") or namespace.get("__annotate_func__")
    return tuple(namespace.get("__annotations__", ()) if annotate is None else annotate(_BY_VALUE))


class _RecordType(type):
    """Turns annotations into slots and keeps the defaults aside."""

    record_defaults: dict[str, Any]
    record_fields: tuple[str, ...]

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> "_RecordType":
        own = _annotated(namespace)
        defaults = {field: namespace.pop(field) for field in own if field in namespace}
        namespace["__slots__"] = own
        cls = super().__new__(mcs, name, bases, namespace)
        inherited = [base for base in bases if isinstance(base, _RecordType)]
        cls.record_fields = (*(field for base in inherited for field in base.record_fields), *own)
        cls.record_defaults = {
            key: value for base in inherited for key, value in base.record_defaults.items()
        } | defaults
        return cls


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Record(metaclass=_RecordType):
    """A frozen value: fields by keyword, equal by value, readable, and checked once by `check`."""

    def __init__(self, **values: Any) -> None:
        cls = type(self)
        unknown = values.keys() - set(cls.record_fields)
        missing = [field for field in cls.record_fields if field not in values and field not in cls.record_defaults]
        if unknown or missing:
            raise TypeError(f"{cls.__name__}: unknown {sorted(unknown)}, missing {missing}")
        for field in cls.record_fields:
            object.__setattr__(self, field, values[field] if field in values else cls.record_defaults[field])
        self.check()

    def check(self) -> None:
        """Raise if a value is outside its range. Subclasses say what the ranges are."""

    def as_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {field: getattr(self, field) for field in type(self).record_fields}

    def but(self, **changes: Any) -> Self:
        """The same with some fields changed."""
        return type(self)(**(self.as_dict() | changes))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        facts = ", ".join(f"{name}={value!r}" for name, value in self.as_dict().items())
        return f"{type(self).__name__}({facts})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.as_dict())

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, field) for field in type(self).record_fields)


def _restore(cls: type[Record], values: dict[str, Any]) -> Record:
    return cls(**values)
