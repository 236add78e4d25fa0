"""The tree of RFC 9162 against its recursive definition and known roots; tags and chains against their formulas."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpk_tui import hashtree


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


# Inputs and roots that Certificate Transparency implementations share (google/certificate-transparency,
# merkletree/merkle_tree_test.cc; also in transparency-dev/merkle).
INPUTS = [bytes.fromhex(h) for h in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def recursive(items: list[bytes]) -> bytes:
    """MTH of RFC 9162, section 2.1.1, as it is written there."""
    if not items:
        return sha(b"")
    if len(items) == 1:
        return sha(b"\x00" + items[0])
    k = 1
    while k * 2 < len(items):
        k *= 2
    return sha(b"\x01" + recursive(items[:k]) + recursive(items[k:]))


def leaves(items: list[bytes]) -> list[bytes]:
    return [hashtree.leaf_hash(i) for i in items]


@pytest.mark.parametrize("n", range(1, 9))
def test_known_roots(n: int) -> None:
    assert hashtree.merkle_root(leaves(INPUTS[:n])).hex() == ROOTS[n - 1]


def test_empty_tree() -> None:
    assert hashtree.merkle_root([]) == sha(b"")


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_root_is_the_recursive_one(items: list[bytes]) -> None:
    assert hashtree.merkle_root(leaves(items)) == recursive(items)


def recursive_path(index: int, items: list[bytes]) -> list[bytes]:
    """PATH of RFC 9162, section 2.1.3.1, as it is written there."""
    if len(items) == 1:
        return []
    k = 1
    while k * 2 < len(items):
        k *= 2
    if index < k:
        return [*recursive_path(index, items[:k]), recursive(items[k:])]
    return [*recursive_path(index - k, items[k:]), recursive(items[:k])]


def sides(index: int, count: int) -> tuple[str, ...]:
    """On which side each node of an audit path stands, lowest first."""
    if count == 1:
        return ()
    k = 1 << (count - 1).bit_length() - 1
    return (*sides(index, k), "right") if index < k else (*sides(index - k, count - k), "left")


SIZES = range(1, 70)


@pytest.mark.parametrize("n", SIZES)
def test_every_proof_holds_for_its_place_and_no_other(n: int) -> None:
    items = [b"%d" % i for i in range(n)]
    hashed = leaves(items)
    root = hashtree.merkle_root(hashed)
    for i in range(n):
        path = hashtree.inclusion_proof(hashed, i)
        assert path == recursive_path(i, items)
        assert hashtree.proves_inclusion(hashed[i], i, n, path, root)
        assert not any(hashtree.proves_inclusion(hashed[i], j, n, path, root) for j in range(-1, n + 2) if j != i)
        assert not any(hashtree.proves_inclusion(hashed[j], i, n, path, root) for j in range(n) if j != i)
        assert not hashtree.proves_inclusion(hashed[i], i, n, path, sha(root))
        assert not hashtree.proves_inclusion(sha(hashed[i]), i, n, path, root)
    for index, count in ((-1, n), (n, n), (0, 0), (0, -1)):
        assert not hashtree.proves_inclusion(hashed[0], index, count, [], root)


@pytest.mark.parametrize("n", SIZES)
def test_a_longer_shorter_or_changed_path_fails(n: int) -> None:
    hashed = leaves([b"%d" % i for i in range(n)])
    root = hashtree.merkle_root(hashed)
    for i in range(n):
        path = hashtree.inclusion_proof(hashed, i)
        wrong = [[*path, hashed[0]], [hashed[0], *path], [*path, root], [*path, *path, root]]
        wrong += [[*path[:k], *path[k + 1 :]] for k in range(len(path))]
        wrong += [[*path[:k], sha(path[k]), *path[k + 1 :]] for k in range(len(path))]
        wrong += [[*path[:k], path[k + 1], path[k], *path[k + 2 :]] for k in range(len(path) - 1)]
        assert not any(hashtree.proves_inclusion(hashed[i], i, n, other, root) for other in wrong)


@pytest.mark.parametrize("n", SIZES)
def test_a_proof_fails_for_another_size_of_the_tree(n: int) -> None:
    """It fails unless the leaf has a path of the same form in both sizes.

    The path of the first of 8 leaves, three nodes to the right, is also one of the first of 5, 6 or 7: the algorithm of
    RFC 9162 cannot tell, which is why a count is signed beside each root.
    """
    hashed = leaves([b"%d" % i for i in range(100)])
    root = hashtree.merkle_root(hashed[:n])
    for i in range(n):
        path = hashtree.inclusion_proof(hashed[:n], i)
        for other in {1, 2, 3, *range(max(1, n - 9), n + 10), 2 * n} - {n}:
            same_form = i < other and sides(i, other) == sides(i, n)
            assert hashtree.proves_inclusion(hashed[i], i, other, path, root) == same_form


@pytest.mark.parametrize("n", SIZES)
def test_a_proof_fails_for_the_root_of_another_size(n: int) -> None:
    hashed = leaves([b"%d" % i for i in range(70)])
    roots = {count: hashtree.merkle_root(hashed[:count]) for count in range(1, 71)}
    for i in range(n):
        path = hashtree.inclusion_proof(hashed[:n], i)
        for other in (count for count in roots if count != n):
            assert not hashtree.proves_inclusion(hashed[i], i, other, path, roots[other])
            assert not hashtree.proves_inclusion(hashed[i], i, n, path, roots[other])


def test_an_inner_node_is_no_leaf() -> None:
    four = leaves([b"a", b"b", b"c", b"d"])
    inner = [hashtree.node_hash(four[0], four[1]), hashtree.node_hash(four[2], four[3])]
    assert hashtree.merkle_root(four) == hashtree.merkle_root(inner)  # why the count is signed beside the root
    assert hashtree.leaf_hash(four[0] + four[1]) != inner[0]


def test_tagged_digests_follow_their_formula() -> None:
    expected = sha(b"MPKB1/sec\x00" + (1).to_bytes(8, "big") + b"a" + (2).to_bytes(8, "big") + b"bc")
    assert hashtree.tagged("sec", b"a", b"bc") == expected


@given(st.lists(st.binary(max_size=4), max_size=5), st.lists(st.binary(max_size=4), max_size=5))
def test_no_two_lists_of_parts_share_a_digest(a: list[bytes], b: list[bytes]) -> None:
    assert (hashtree.tagged("t", *a) == hashtree.tagged("t", *b)) == (a == b)


def test_chain_follows_its_formula_and_sees_every_change() -> None:
    entries = [sha(b"%d" % n) for n in range(5)]
    head = hashtree.tagged("log-genesis")
    assert hashtree.chain_head([]) == hashtree.chain_start() == head
    for e in entries:
        head = hashtree.tagged("log", head, e)
    assert hashtree.chain_head(entries) == head
    swapped = [entries[1], entries[0], *entries[2:]]
    others = [entries[:-1], entries[1:], swapped, [*entries, entries[0]], [*entries[:2], sha(b"x"), *entries[3:]]]
    assert len({hashtree.chain_head(e) for e in [entries, *others]}) == len(others) + 1
