"""Records made without code generation behave as those of the standard library do."""

from __future__ import annotations

import copy
import dataclasses
import subprocess
import sys
from functools import cached_property
from typing import Any, ClassVar

import pytest

from mpk_tui import records


def both() -> list[Any]:
    """The same class under our decorator and under the standard one."""
    made = []
    for decorator, field in ((records.dataclass, records.field), (dataclasses.dataclass, dataclasses.field)):

        @decorator(frozen=True)
        class Point:
            KIND: ClassVar[str] = "point"
            x: int
            y: int = 2
            tags: tuple[str, ...] = ()
            seen: dict[str, int] = field(default_factory=dict)
            note: str = field(default="", compare=False)
            secret: str = field(default="s", repr=False)

            def __post_init__(self) -> None:
                if self.x < 0:
                    raise ValueError("negative")

            @cached_property
            def double(self) -> int:
                return self.x * 2

        made.append(Point)
    return made


OURS, THEIRS = both()


def outcome(make: Any) -> Any:
    try:
        return make()
    except Exception as error:
        return type(error)


@pytest.mark.parametrize("cls", [OURS, THEIRS])
@pytest.mark.parametrize(
    ("args", "kwargs", "expected"),
    [
        ((1,), {}, (1, 2, (), {}, "", "s")),
        ((1, 3, ("a",)), {"note": "n"}, (1, 3, ("a",), {}, "n", "s")),
        ((), {"y": 5, "x": 4}, (4, 5, (), {}, "", "s")),
        ((), {}, TypeError),
        ((1,), {"x": 2}, TypeError),
        ((1,), {"z": 2}, TypeError),
        ((1, 2, (), {}, "", "s", 7), {}, TypeError),
        ((-1,), {}, ValueError),
    ],
)
def test_construction(cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any], expected: Any) -> None:
    made = outcome(lambda: cls(*args, **kwargs))
    if isinstance(expected, type):
        assert made is expected
    else:
        assert (made.x, made.y, made.tags, made.seen, made.note, made.secret) == expected


@pytest.mark.parametrize("cls", [OURS, THEIRS])
def test_equality_hash_and_representation(cls: Any) -> None:
    a, b = cls(1, seen={}, note="one"), cls(1, seen={}, note="another")
    assert a == b
    assert a != cls(2)
    assert a != (1, 2, (), {}, "s")
    assert repr(a).endswith("Point(x=1, y=2, tags=(), seen={}, note='one')")
    with pytest.raises(TypeError):
        hash(a)  # it holds a dict
    assert a.double == 2
    assert a == b  # what is cached is no field


@pytest.mark.parametrize("cls", [OURS, THEIRS])
def test_frozen(cls: Any) -> None:
    made = cls(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.x = 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        del made.x
    assert not hasattr(cls, "seen")
    assert cls.note == ""
    assert cls.KIND == "point"


@pytest.mark.parametrize("cls", [OURS, THEIRS])
def test_the_standard_functions_work(cls: Any) -> None:
    made = cls(1, tags=("a",))
    assert made.double == 2
    for replace in (dataclasses.replace, records.replace):
        assert replace(made, y=9) == cls(1, 9, ("a",))
        with pytest.raises(TypeError):
            replace(made, z=1)
    assert dataclasses.is_dataclass(cls)
    assert [f.name for f in dataclasses.fields(made)] == ["x", "y", "tags", "seen", "note", "secret"]
    assert dataclasses.asdict(made)["tags"] == ("a",)
    assert copy.copy(made) == copy.deepcopy(made) == made
    match made:
        case cls(x, y):
            assert (x, y) == (1, 2)


def test_fields_of_a_base_come_first_and_open_records_can_change() -> None:
    @records.dataclass(frozen=True)
    class Base:
        a: int

    @records.dataclass(frozen=True)
    class Derived(Base):
        b: int = 2

    assert Derived(1) == Derived(1, 2)
    assert hash(Derived(1)) == hash(Derived(1, 2))
    assert Derived(1) != Base(1)

    @records.dataclass
    class Open:
        n: int = 0
        seen: list[int] = records.field(default_factory=list)

    made = Open()
    made.n = 3
    made.seen.append(1)
    assert (made.n, Open().seen) == (3, [])
    with pytest.raises(TypeError):
        hash(made)


def test_verification_does_not_load_the_standard_decorator() -> None:
    code = "import mpk_tui.bundle.verify, sys; print(sorted({'dataclasses', 'inspect', 'numpy', 'gguf'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
