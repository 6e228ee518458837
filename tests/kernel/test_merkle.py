"""Merkle proofs against the vectors of transparency-dev/merkle, a second implementation and the RFC's definition."""

import hashlib
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloom.kernel.audit import merkle

VECTORS = Path(__file__).parents[3] / "shared/data/standards/merkle/testdata.tar.gz"


class Inclusion(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    leaf_idx: int
    tree_size: int
    root: bytes
    leaf_hash: bytes
    proof: list[bytes] | None
    desc: str
    want_err: bool


class Consistency(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    size1: int
    size2: int
    root1: bytes
    root2: bytes
    proof: list[bytes] | None
    desc: str
    want_err: bool


def vectors(part: str, kind: Any) -> list[Any]:
    if not VECTORS.exists():
        pytest.skip("shared/data/standards/merkle/testdata.tar.gz is not here")
    with tarfile.open(VECTORS) as archive:
        files = [member for member in archive if member.name.startswith(f"testdata/{part}/") and member.isfile()]
        return [msgspec.json.decode(archive.extractfile(member).read(), type=kind) for member in files]  # type: ignore[union-attr]


def test_every_inclusion_vector() -> None:
    found = vectors("inclusion", Inclusion)
    wrong = [
        case
        for case in found
        if merkle.verify_inclusion(case.leaf_hash, case.leaf_idx, case.tree_size, case.proof or [], case.root)
        is case.want_err
    ]
    assert wrong == []
    assert sum(not case.want_err for case in found) == 6
    assert sum(case.want_err for case in found) > 90


def test_every_consistency_vector() -> None:
    found = vectors("consistency", Consistency)
    wrong = [
        case
        for case in found
        if merkle.verify_consistency(case.size1, case.size2, case.proof or [], case.root1, case.root2) is case.want_err
    ]
    assert wrong == []
    assert sum(not case.want_err for case in found) == 6
    assert sum(case.want_err for case in found) > 90


@cache
def leaf(index: int) -> bytes:
    return merkle.leaf_hash(b"%d" % index)


@cache
def model_root(start: int, end: int) -> bytes:
    """RFC 9162, 2.1.1, word for word."""
    if end - start == 0:
        return hashlib.sha256().digest()
    if end - start == 1:
        return leaf(start)
    split = 1
    while split * 2 < end - start:
        split *= 2
    left, right = model_root(start, start + split), model_root(start + split, end)
    return hashlib.sha256(b"\x01" + left + right).digest()


def nodes(level: int, index: int) -> bytes:
    return model_root(index << level, (index + 1) << level)


@cache
def other_tree(size: int) -> pymerkle.InmemoryTree:
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for index in range(size):
        tree.append_entry(b"%d" % index)
    return tree


SIZES = st.integers(1, 70)


@given(st.lists(st.integers(0, 40), max_size=6))
def test_a_frontier_grown_in_any_steps_has_the_root_of_the_definition(steps: list[int]) -> None:
    grown = merkle.Frontier()
    for step in steps:
        grown = grown.extend([leaf(index) for index in range(grown.size, grown.size + step)])
    assert grown.size == sum(steps)
    assert grown.root() == model_root(0, grown.size)
    assert grown == merkle.frontier(nodes, grown.size)


@given(SIZES, st.data())
def test_inclusion_proofs_agree_with_pymerkle(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(nodes, index, size)
    other = other_tree(70).prove_inclusion(index + 1, size)
    assert proof == list(other.path[1:])
    assert merkle.verify_inclusion(leaf(index), index, size, proof, model_root(0, size))
    pymerkle.verify_inclusion(leaf(index), model_root(0, size), other)


@given(SIZES, st.data())
def test_consistency_proofs_hold_and_any_change_breaks_them(size: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, size))
    proof = merkle.consistency_proof(nodes, first, size)
    roots = model_root(0, first), model_root(0, size)
    assert merkle.verify_consistency(first, size, proof, *roots)
    assert not merkle.verify_consistency(first, size, [*proof, bytes(32)], *roots)
    assert merkle.verify_consistency(first, size, proof, *reversed(roots)) is (first == size)
    for at in range(len(proof)):
        changed = [*proof[:at], bytes([proof[at][0] ^ 1]) + proof[at][1:], *proof[at + 1 :]]
        assert not merkle.verify_consistency(first, size, changed, *roots)
    later = other_tree(70)
    assert (later.get_root(first), later.get_root(size)) == roots
    pymerkle.verify_consistency(*roots, later.prove_consistency(first, size))


@given(SIZES, st.data())
def test_a_changed_inclusion_proof_is_refused(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof, root = merkle.inclusion_proof(nodes, index, size), model_root(0, size)
    assert not merkle.verify_inclusion(leaf(index + 1), index, size, proof, root)
    assert not merkle.verify_inclusion(leaf(index), index, size, [*proof, bytes(32)], root)
    assert not merkle.verify_inclusion(leaf(index), index, size, proof, bytes(32))
    if proof:
        assert not merkle.verify_inclusion(leaf(index), index, size, proof[:-1], root)


def test_proofs_outside_the_tree_are_refused() -> None:
    with pytest.raises(ValueError, match="no leaf 5 in a tree of 5"):
        merkle.inclusion_proof(nodes, 5, 5)
    with pytest.raises(ValueError, match="no proof from 0 to 5 leaves"):
        merkle.consistency_proof(nodes, 0, 5)
    with pytest.raises(ValueError, match="no proof from 6 to 5 leaves"):
        merkle.consistency_proof(nodes, 6, 5)


def test_the_algorithm_is_a_name() -> None:
    if "sm3" not in hashlib.algorithms_available:
        pytest.skip("this OpenSSL has no SM3")
    tree = merkle.Frontier(algorithm="SM3").extend([merkle.leaf_hash(b"a", "SM3"), merkle.leaf_hash(b"b", "SM3")])
    left, right = (hashlib.new("sm3", b"\x00" + data).digest() for data in (b"a", b"b"))
    assert tree.root() == hashlib.new("sm3", b"\x01" + left + right).digest()
    # GB/T 32905-2016, A.1
    assert merkle.hashing("SM3")(b"abc").digest().hex() == (
        "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    )
    with pytest.raises(ValueError, match="no hash algorithm 'MD5'"):
        merkle.leaf_hash(b"a", "MD5")


def test_a_row_of_hashes_folds_to_its_subtree() -> None:
    assert merkle.fold(b"".join(leaf(index) for index in range(8))) == model_root(0, 8)
    assert merkle.fold(leaf(3)) == leaf(3)
