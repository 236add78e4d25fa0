"""A vocabulary while it is being read: ids are checked before anything is made as long as they say."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mpk_tui.checkpoint.model import Tokenizer
from mpk_tui.checkpoint.tokenizers import normal
from mpk_tui.errors import LimitError, MalformedError

MAX_TOKENS = 1 << 22
"""Ids that a vocabulary may have; the largest one published has about a million."""
MAX_LENGTH = 1 << 16
"""Characters or bytes of one token."""
_SPARSE = 1 << 16


@dataclass(frozen=True)
class Added:
    """Tokens put beside a vocabulary.

    Attributes:
        ids: ``(content, special)`` by id.
        names: Tokens that are special wherever they are.
    """

    ids: Mapping[int, tuple[str, bool]] = field(default_factory=dict)
    names: frozenset[str] = frozenset()


def token_id(value: Any, where: str, token: str = "") -> int:
    """A number that can be a token's id.

    Raises:
        MalformedError: No natural number.
        LimitError: Beyond `MAX_TOKENS`.
    """
    of = f" of the token {token[:80]!r}" if token else ""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise MalformedError(f"the id{of} is {str(value)[:80]!r}, no natural number", where=where)
    if value >= MAX_TOKENS:
        raise LimitError(f"the id{of} is {value}; at most {MAX_TOKENS - 1} is read", where=where)
    return value


def check_length(token: str | bytes, where: str) -> None:
    """Refuse a token that no tokenizer would have.

    Raises:
        LimitError: It is longer than `MAX_LENGTH`.
    """
    if len(token) > MAX_LENGTH:
        raise LimitError(f"a token of length {len(token)}; at most {MAX_LENGTH} is read", where=where)


def size_of(ids: Collection[int], where: str) -> int:
    """Length of the list that holds these ids.

    Raises:
        LimitError: The ids lie so far apart that the list would be all but empty.
    """
    size = max(ids, default=-1) + 1
    if size > _SPARSE + 16 * len(ids):
        raise LimitError(
            f"the id {size - 1} in a vocabulary of {len(ids)} tokens", where=where, hint="The file was made to mislead"
        )
    return size


def from_map(
    source: str, kind: str, pairs: Mapping[str, Any], spell: Callable[[str], str], added: Added | None = None
) -> Tokenizer:
    """A tokenizer from a map of tokens to ids.

    Args:
        source: File name, for the record and for messages.
        kind: Kind of tokenizer.
        pairs: Untrusted.
        spell: Token to normal form.
        added: Tokens beside the vocabulary; they count where both name an id, as the libraries have it.

    Raises:
        MalformedError: An id that is none, or one that two tokens claim.
        LimitError: An id or a token beyond the limits.
    """
    by_id: dict[int, str] = {}
    for token, value in pairs.items():
        i = token_id(value, source, token)
        check_length(token, source)
        if i in by_id:
            raise MalformedError(
                f"the id {i} belongs to two tokens, {by_id[i][:80]!r} and {token[:80]!r}",
                where=source,
                hint="No tokenizer was saved like this; the file was edited",
            )
        by_id[i] = token
    tokens: list[str | None] = [None] * size_of(by_id, source)
    names = added.names if added else frozenset()
    marked = set()
    for i, token in by_id.items():
        if token in names:
            marked.add(i)
            tokens[i] = normal.special(token)
        else:
            tokens[i] = spell(token)
    return with_added(Tokenizer(source, kind, tuple(tokens), frozenset(marked)), added)


def from_list(
    source: str, kind: str, tokens: Sequence[str | None], marked: frozenset[int], added: Added | None = None
) -> Tokenizer:
    """A tokenizer from normal forms by position."""
    if len(tokens) > MAX_TOKENS:
        raise LimitError(f"{len(tokens)} tokens; at most {MAX_TOKENS} are read", where=source)
    names = added.names if added else frozenset()
    if names:
        marked |= {i for i, t in enumerate(tokens) if t in names}
    return with_added(Tokenizer(source, kind, tuple(tokens), marked), added)


def with_added(tokenizer: Tokenizer, added: Added | None) -> Tokenizer:
    """A tokenizer with the tokens put beside it."""
    if added is None or not added.ids:
        return tokenizer
    size = max(added.ids) + 1
    if size > len(tokenizer.tokens) + _SPARSE:
        raise LimitError(
            f"the added token {added.ids[size - 1][0][:80]!r} has the id {size - 1}, far behind the "
            f"{len(tokenizer.tokens)} tokens of the vocabulary",
            where=tokenizer.source,
        )
    size = max(size, len(tokenizer.tokens))
    tokens = [*tokenizer.tokens, *[None] * (size - len(tokenizer.tokens))]
    marked = set(tokenizer.special)
    for i, (content, is_special) in added.ids.items():
        if is_special or content in added.names:
            tokens[i] = normal.special(content)
            marked.add(i)
        else:
            tokens[i] = normal.plain(content)
            marked.discard(i)
    return replace(tokenizer, tokens=tuple(tokens), special=frozenset(marked))
