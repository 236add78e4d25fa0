"""Reading the structure of a pickle without running it: a stack machine that builds symbols, never objects.

A pickle is a program.  ``pickletools.genops`` (standard library) splits it into operations without executing any; this
interpreter follows them with data of its own.  A name from a pickle is a `Name`, a call is looked up in a short table
of known torch constructors, and whatever is not in it becomes an `Opaque` whose name and offset are told.  Nothing is
imported and nothing is called.
"""

from __future__ import annotations

import io
import pickletools
from dataclasses import dataclass
from typing import Any

from mpk_tui.errors import LimitError, MalformedError

MAX_OPERATIONS = 5_000_000
MAX_DEPTH = 200


@dataclass(frozen=True)
class Name:
    """A module and attribute that the pickle names, and where."""

    module: str
    attribute: str
    offset: int

    def __str__(self) -> str:
        return f"{self.module}.{self.attribute}"


@dataclass(frozen=True)
class Opaque:
    """Something that would have to be run to be known."""

    name: str
    offset: int


@dataclass(frozen=True)
class StorageRef:
    """A storage by key: its type's name, its key, and its number of elements."""

    kind: str
    key: str
    count: int


@dataclass(frozen=True)
class TensorRef:
    """A view of a storage, in elements; ``dtype`` is a torch type name or empty (then the storage's)."""

    storage: StorageRef
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: str = ""


@dataclass(frozen=True)
class Parsed:
    """The value of one pickle.

    Attributes:
        value: Built of None, bool, int, float, str, bytes, list, tuple, dict and the symbols above.
        end: Offset just behind it.
        foreign: Names outside the table, with their offsets, in order; each was left alone.
    """

    value: Any
    end: int
    foreign: tuple[Name, ...]


_MARK = object()
_PLAIN = frozenset(
    {"collections.OrderedDict", "torch.Size", "torch.serialization._get_layout", "torch.device"}
)  # fmt: skip
_REBUILD = frozenset(
    {"torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3",
     "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state",
     "torch._tensor._rebuild_from_type_v2"}
)  # fmt: skip
DTYPES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64", "int32": "I32",
    "int16": "I16", "int8": "I8", "uint8": "U8", "bool": "BOOL", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2",
}  # fmt: skip
STORAGES = {
    "DoubleStorage": "F64", "FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16",
    "LongStorage": "I64", "IntStorage": "I32", "ShortStorage": "I16", "CharStorage": "I8", "ByteStorage": "U8",
    "BoolStorage": "BOOL", "UntypedStorage": "U8",
}  # fmt: skip


def _known(name: Name) -> bool:
    if str(name) in _PLAIN or str(name) in _REBUILD:
        return True
    if name.module == "torch" and (name.attribute in DTYPES or name.attribute in STORAGES):
        return True
    return str(name) in ("torch.nn.parameter.Parameter", "torch._tensor.Tensor", "torch.Tensor") or (
        name.module == "torch.storage" and name.attribute in STORAGES
    )


def parse(data: bytes, start: int, where: str) -> Parsed:
    """Follow one pickle from ``start``.

    Args:
        data: Bytes that hold it; more may follow.
        start: First byte.
        where: File for messages.

    Raises:
        MalformedError: Not a pickle, or one that contradicts itself, with its offset.
        LimitError: More operations than we follow.
    """
    machine = _Machine(start, where)
    stream = io.BytesIO(data)
    stream.seek(start)
    operations = pickletools.genops(stream)
    for count in range(MAX_OPERATIONS + 1):
        try:
            opcode, argument, position = next(operations)
        except StopIteration:
            break
        except Exception as error:  # genops raises ValueError, UnicodeError, struct.error, ... on damaged input
            raise MalformedError(f"not a whole pickle ({error})", where=f"{where}, byte {start}") from None
        at = (position or 0) if position is not None else start
        if count == MAX_OPERATIONS:
            raise LimitError(f"a pickle of more than {MAX_OPERATIONS} operations", where=where)
        try:
            if machine.step(opcode.name, argument, at):
                return Parsed(machine.result, stream.tell(), tuple(machine.foreign))
        except (IndexError, KeyError, TypeError, ValueError, AttributeError):
            raise MalformedError(
                f"the pickle operation {opcode.name} does not fit what comes before it", where=f"{where}, byte {at}"
            ) from None
    raise MalformedError("a pickle without an end", where=f"{where}, byte {start}")


class _Machine:
    """Stack, memo and the names that were met."""

    def __init__(self, start: int, where: str) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.foreign: list[Name] = []
        self.result: Any = None
        self._where = where

    def step(self, op: str, arg: Any, at: int) -> bool:
        """Do one operation; True at the end."""
        stack = self.stack
        if op in _LITERALS:
            stack.append(arg)
        elif op in _CONSTANTS:
            value = _CONSTANTS[op]
            stack.append(value() if callable(value) else value)
        elif op == "MARK":
            stack.append(_MARK)
        elif op in ("PROTO", "FRAME"):
            pass
        elif op == "STOP":
            self.result = stack.pop()
            return True
        elif op in ("BINPUT", "LONG_BINPUT", "PUT"):
            self.memo[int(arg)] = stack[-1]
        elif op == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif op in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(self.memo[int(arg)])
        elif op in ("TUPLE1", "TUPLE2", "TUPLE3"):
            n = int(op[-1])
            if len(stack) < n:
                raise IndexError(op)
            stack[-n:] = [tuple(stack[-n:])]
        elif op in ("TUPLE", "LIST", "DICT"):
            items = self._to_mark()
            stack.append(tuple(items) if op == "TUPLE" else items if op == "LIST" else _pairs(items))
        elif op in ("APPEND", "APPENDS"):
            items = [stack.pop()] if op == "APPEND" else self._to_mark()
            if isinstance(stack[-1], list):
                stack[-1].extend(items)
        elif op in ("SETITEM", "SETITEMS"):
            if op == "SETITEM":
                value, key = stack.pop(), stack.pop()
                items = [key, value]
            else:
                items = self._to_mark()
            if isinstance(stack[-1], dict):
                stack[-1].update(_pairs(items))
        elif op == "ADDITEMS":
            self._to_mark()
        elif op == "POP":
            stack.pop()
        elif op == "POP_MARK":
            self._to_mark()
        elif op == "DUP":
            stack.append(stack[-1])
        elif op == "GLOBAL":
            module, _, attribute = str(arg).partition(" ")
            stack.append(self._name(module, attribute, at))
        elif op == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            # A list that holds itself twice, spelled out as a name, would fill any memory (found by fuzzing).
            if not isinstance(module, str) or not isinstance(attribute, str):
                raise TypeError(op)
            stack.append(self._name(module, attribute, at))
        elif op == "BINPERSID":
            stack.append(_storage(stack.pop(), at))
        elif op in ("REDUCE", "NEWOBJ"):
            arguments, function = stack.pop(), stack.pop()
            stack.append(_call(function, arguments, at))
        elif op == "BUILD":
            stack.pop()  # the state of an object; of an OrderedDict it is only metadata
        elif op in ("NEWOBJ_EX", "OBJ", "INST"):
            self._swallow(op, arg, at)
        else:
            raise MalformedError(f"the pickle operation {op} is not followed", where=f"{self._where}, byte {at}")
        return False

    def _to_mark(self) -> list[Any]:
        items: list[Any] = []
        while (item := self.stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def _name(self, module: str, attribute: str, at: int) -> Name:
        name = Name(module, attribute, at)
        if not _known(name):
            self.foreign.append(name)
        return name

    def _swallow(self, op: str, arg: Any, at: int) -> None:
        if op == "NEWOBJ_EX":
            del self.stack[-3:]
            self.stack.append(Opaque("object", at))
        else:
            items = self._to_mark()
            if op == "INST":
                module, _, attribute = str(arg).partition(" ")
                self._name(module, attribute, at)
            named = isinstance(items[0], Name) if items else False
            self.stack.append(Opaque(str(items[0]) if named else "object", at))


_LITERALS = frozenset(
    {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "STRING", "BINSTRING", "SHORT_BINSTRING",
     "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE",
     "BINUNICODE8", "FLOAT", "BINFLOAT"}
)  # fmt: skip
_CONSTANTS: dict[str, Any] = {
    "NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": (), "EMPTY_LIST": list, "EMPTY_DICT": dict,
    "EMPTY_SET": list,
}  # fmt: skip


def _pairs(items: list[Any]) -> dict[Any, Any]:
    if len(items) % 2:
        raise ValueError("an odd number of keys and values")
    # A key that cannot be one in a dictionary of ours is no tensor's name.
    return {k: v for k, v in zip(items[::2], items[1::2], strict=True) if isinstance(k, (str, int))}


def _storage(pid: Any, at: int) -> Any:
    if isinstance(pid, tuple) and len(pid) >= 5 and pid[0] == "storage" and isinstance(pid[1], Name):
        _, kind, key, _, count = pid[:5]
        if kind.attribute in STORAGES and isinstance(key, str) and _natural(count):
            return StorageRef(kind.attribute, key, count)
    return Opaque("persistent object", at)


def _natural(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62


def _call(function: Any, arguments: Any, at: int) -> Any:
    """The value of a call that is in the table; anything else stays a symbol."""
    if not isinstance(function, Name) or not isinstance(arguments, tuple):
        # Only a name is told: the text of a nest of shared tuples could be endless.
        return Opaque(function.name if isinstance(function, Opaque) else type(function).__name__, at)
    name = str(function)
    if name == "collections.OrderedDict":
        rows = arguments[0] if arguments and isinstance(arguments[0], list) else []
        return {r[0]: r[1] for r in rows if isinstance(r, (list, tuple)) and len(r) == 2 and isinstance(r[0], str)}
    if name == "torch.Size" and arguments and isinstance(arguments[0], (list, tuple)):
        return tuple(arguments[0])
    if name in ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"):
        return arguments[0]
    if name == "torch._tensor._rebuild_from_type_v2" and len(arguments) >= 3:
        return _call(arguments[0], arguments[2], at)
    if name in _REBUILD and len(arguments) >= 4:
        storage, offset, shape, stride = arguments[:4]
        dtype = (
            arguments[6].attribute
            if name.endswith("_v3") and len(arguments) > 6 and isinstance(arguments[6], Name)
            else ""
        )
        fits = isinstance(storage, StorageRef) and _natural(offset) and _dimensions(shape) and _dimensions(stride)
        if fits and len(shape) == len(stride):
            return TensorRef(storage, offset, tuple(shape), tuple(stride), dtype)
    return Opaque(name, at)


def _dimensions(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) <= 16 and all(map(_natural, value))
