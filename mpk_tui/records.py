"""Frozen records that cost nothing to define: what ``dataclasses.dataclass`` makes, without generating code for it.

A verification in a fresh process defines some fifty records and makes a few of each; with the standard library's
decorator, which compiles six functions for every class and imports ``inspect``, their definition takes longer than the
verification.  Here all classes share the same functions.  Type checkers see the standard library's own ``dataclass``
and ``field``; ``dataclasses.replace``, ``fields`` and ``asdict`` work, for the standard fields are made when first
asked for.  Used where start-up counts: by what `mpk_tui.bundle.verify` reaches.

Only what these records use is there: ``frozen``, defaults, ``default_factory``, ``compare`` and ``repr`` of a field,
``__post_init__``.  No ``slots``, ``order``, ``kw_only`` or ``InitVar``; fields of a base class come first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass, field, replace
else:
    _MISSING = object()

    class _Field:
        """A field as the class body states it."""

        __slots__ = ("compare", "default", "factory", "repr")

        def __init__(self, default=_MISSING, factory=_MISSING, repr=True, compare=True):
            self.default, self.factory, self.repr, self.compare = default, factory, repr, compare

    def field(*, default=_MISSING, default_factory=_MISSING, repr=True, compare=True):
        """A field with more to say than a default."""
        return _Field(default, default_factory, repr, compare)

    def dataclass(cls=None, /, *, frozen=False):
        """Make a class a record of its annotated fields."""

        def decorate(made):
            return _decorate(made, frozen)

        return decorate if cls is None else decorate(cls)

    def replace(record, /, **changes):
        """The same record with some fields changed; records of the standard library's kind too."""
        if "__record__" not in type(record).__dict__:
            import dataclasses

            return dataclasses.replace(record, **changes)
        kept = {n: getattr(record, n) for n in type(record).__record__ if n not in changes}
        return type(record)(**kept, **changes)

    def _decorate(cls, frozen):
        fields = {}
        for base in reversed(cls.__mro__[1:]):
            fields.update(base.__dict__.get("__record__", {}))
        for name, kind in cls.__annotations__.items():
            if str(kind).startswith(("ClassVar", "typing.ClassVar")):
                continue
            given = cls.__dict__.get(name, _MISSING)
            stated = given if isinstance(given, _Field) else _Field(given)
            if isinstance(given, _Field):
                if stated.default is _MISSING:
                    delattr(cls, name)
                else:
                    setattr(cls, name, stated.default)
            fields[name] = stated
        cls.__record__ = fields
        cls.__match_args__ = tuple(fields)
        cls.__dataclass_fields__ = _StandardFields()
        cls.__init__, cls.__repr__, cls.__eq__ = _init, _repr, _eq
        cls.__hash__ = _hash if frozen else None
        if frozen:
            cls.__setattr__, cls.__delattr__ = _refuse_set, _refuse_delete
        return cls

    def _init(self, /, *args, **kwargs):
        cls = type(self)
        fields, values = cls.__record__, self.__dict__
        if len(args) > len(fields):
            raise TypeError(f"{cls.__name__}() takes {len(fields)} fields, {len(args)} were given")
        values.update(zip(fields, args, strict=False))
        for name, value in kwargs.items():
            if name not in fields or name in values:
                raise TypeError(f"{cls.__name__}() got {'a second' if name in fields else 'no'} field {name!r}")
            values[name] = value
        if len(values) < len(fields):
            for name, stated in fields.items():
                if name not in values:
                    if stated.default is not _MISSING:
                        values[name] = stated.default
                    elif stated.factory is not _MISSING:
                        values[name] = stated.factory()
                    else:
                        raise TypeError(f"{cls.__name__}() lacks the field {name!r}")
        after = getattr(cls, "__post_init__", None)
        if after is not None:
            after(self)

    def _repr(self):
        shown = (f"{n}={getattr(self, n)!r}" for n, stated in type(self).__record__.items() if stated.repr)
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def _compared(self):
        return tuple(getattr(self, n) for n, stated in type(self).__record__.items() if stated.compare)

    def _eq(self, other):
        if type(other) is not type(self):
            return NotImplemented
        return _compared(self) == _compared(other)

    def _hash(self):
        return hash(_compared(self))

    def _refuse_set(self, name, value):
        # cached_property writes into __dict__ and never comes here.
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _refuse_delete(self, name):
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot delete field {name!r}")

    class _StandardFields:
        """Makes the fields as the standard library knows them, from a twin class, when somebody asks."""

        def __get__(self, instance, cls):
            import dataclasses

            body: dict[str, Any] = {"__annotations__": dict.fromkeys(cls.__record__, Any)}
            for name, stated in cls.__record__.items():
                more = {} if stated.default is _MISSING else {"default": stated.default}
                if stated.factory is not _MISSING:
                    more = {"default_factory": stated.factory}
                body[name] = dataclasses.field(repr=stated.repr, compare=stated.compare, **more)
            twin = dataclasses.dataclass(frozen=True)(type(cls.__name__, (), body))
            cls.__dataclass_fields__ = twin.__dataclass_fields__
            return cls.__dataclass_fields__


__all__ = ["dataclass", "field", "replace"]
