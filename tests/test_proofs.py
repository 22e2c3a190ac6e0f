"""What proofs are made of: canonical texts, Merkle trees as RFC 6962 has them, leaves, keys, tables and zips."""

from __future__ import annotations

import hashlib
import io
import warnings
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.interval import BEGINNING_US, FOREVER_US, from_microseconds
from models.proofs.bundles import unzipped, zipped
from models.proofs.canonical import Malformed, canonical, instant_text, moment_of, read, written
from models.proofs.entries import CountedRow, Entry, entry_of, leaf_of, leaves_of, salt_of
from models.proofs.keys import is_signed, trusted_from
from models.proofs.merkle import EMPTY_ROOT, GrowingTree, inclusion_path, leaf_hash, root_by_path, root_of
from models.proofs.statements import KeyRing, PublicKey
from models.proofs.tables import bared, read_table, shielded, table_text
from tests.signers import signer

# The leaves and roots of the tests of Certificate Transparency, where RFC 6962 comes from.
KNOWN_LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
KNOWN_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def plain_root(contents: list[bytes]) -> bytes:
    """As RFC 6962 defines it, word for word."""
    if not contents:
        return hashlib.sha256(b"").digest()
    if len(contents) == 1:
        return hashlib.sha256(b"\x00" + contents[0]).digest()
    k = largest_power_below(len(contents))
    return hashlib.sha256(b"\x01" + plain_root(contents[:k]) + plain_root(contents[k:])).digest()


def plain_path(index: int, contents: list[bytes]) -> list[bytes]:
    if len(contents) == 1:
        return []
    k = largest_power_below(len(contents))
    if index < k:
        return [*plain_path(index, contents[:k]), plain_root(contents[k:])]
    return [*plain_path(index - k, contents[k:]), plain_root(contents[:k])]


def largest_power_below(size: int) -> int:
    return 1 << ((size - 1).bit_length() - 1)


# --- trees ---


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_that_are_known_of_rfc_6962(size: int) -> None:
    assert root_of([leaf_hash(leaf) for leaf in KNOWN_LEAVES[:size]]).hex() == KNOWN_ROOTS[size - 1]


def test_the_root_over_nothing_is_the_hash_of_the_empty_text() -> None:
    assert root_of([]) == EMPTY_ROOT == hashlib.sha256(b"").digest()


@given(st.lists(st.binary(max_size=4), max_size=70))
def test_a_tree_that_grows_has_the_root_of_the_definition(contents: list[bytes]) -> None:
    tree = GrowingTree()
    for number, content in enumerate(contents):
        assert tree.root() == plain_root(contents[:number])
        tree.add(leaf_hash(content))
    assert (tree.root(), tree.size) == (plain_root(contents), len(contents))


@given(st.lists(st.binary(max_size=4), min_size=1, max_size=70), st.data())
def test_a_path_leads_from_its_leaf_to_the_root(contents: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(contents) - 1))
    leaves = [leaf_hash(content) for content in contents]
    path = inclusion_path(leaves, index)
    assert path == plain_path(index, contents)
    assert root_by_path(leaves[index], index, len(leaves), path) == plain_root(contents)


@given(st.integers(2, 70), st.data())
def test_a_path_proves_nothing_else(size: int, data: st.DataObject) -> None:
    """Another leaf, another place, another size, a hash more or less or changed."""
    leaves = [leaf_hash(b"%d" % n) for n in range(size)]
    index, other = data.draw(st.lists(st.integers(0, size - 1), min_size=2, max_size=2, unique=True))
    path, root = inclusion_path(leaves, index), root_of(leaves)
    bit = data.draw(st.integers(0, len(path) - 1))
    flipped = [*path[:bit], bytes([path[bit][0] ^ 1]) + path[bit][1:], *path[bit + 1 :]]
    assert root_by_path(leaves[other], index, size, path) != root
    assert root_by_path(leaves[index], other, size, path) != root
    assert root_by_path(leaves[index], index, size, flipped) != root
    assert root_by_path(leaves[index], index, size, path[:-1]) != root
    assert root_by_path(leaves[index], index, size, [*path, path[-1]]) is None
    assert root_by_path(leaves[index], size, size, path) is None
    assert root_by_path(leaves[index], -1, size, path) is None


def test_a_node_cannot_be_passed_off_as_a_leaf() -> None:
    leaves = [leaf_hash(b"a"), leaf_hash(b"b")]
    assert root_of([leaf_hash(leaves[0] + leaves[1])]) != root_of(leaves)


# --- leaves ---

MOMENTS = st.one_of(st.sampled_from([BEGINNING_US, FOREVER_US]), st.integers(BEGINNING_US + 1, FOREVER_US - 1))


@given(st.integers(BEGINNING_US + 1, FOREVER_US - 1))
def test_an_instant_is_spelled_as_iso_8601_has_it(microseconds: int) -> None:
    spelled = instant_text(microseconds)
    assert spelled == from_microseconds(microseconds).isoformat().replace("+00:00", "Z")
    assert moment_of(spelled) == from_microseconds(microseconds)


@given(st.lists(st.builds(CountedRow, st.integers(1, 2**62), MOMENTS, MOMENTS, MOMENTS, MOMENTS, st.booleans())))
def test_leaves_made_quickly_are_those_of_canonical_entries(rows: list[CountedRow]) -> None:
    seed = b"seed" * 8
    slowly = [leaf_of(entry_of(7, 9, row), salt_of(seed, row.learner_id)) for row in rows]
    assert list(leaves_of(7, 9, seed, rows)) == slowly


def test_what_never_came_or_was_lost_has_no_instant() -> None:
    entry = entry_of(7, 9, CountedRow(1, BEGINNING_US, 0, 86_400_000_000, FOREVER_US, certain=False))
    assert (entry.from_earliest, entry.from_latest) == (None, "1970-01-01T00:00:00Z")
    assert (entry.to_earliest, entry.to_latest) == ("1970-01-02T00:00:00Z", None)


def test_each_entry_has_a_salt_of_its_own_and_another_seed_gives_others() -> None:
    salts = {salt_of(seed, learner) for seed in (b"a" * 32, b"b" * 32) for learner in range(100)}
    assert len(salts) == 200


# --- canonical texts ---


def test_canonical_json_has_one_spelling() -> None:
    assert canonical({"b": 1, "a": ["ü", None, True], "": {"z": -5, "y": "\n"}}) == (
        '{"":{"y":"\\n","z":-5},"a":["ü",null,true],"b":1}'.encode()
    )


@pytest.mark.parametrize("value", [0.5, {1: "a"}, {"a": [1.0]}, b"bytes"])
def test_what_has_no_one_spelling_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        canonical(value)  # type: ignore[arg-type]


KEY = b'{"created_at":"now","endorsed_by":null,"endorsement":null,"key_id":"a","public_key":"b"}'


def test_a_statement_is_read_as_it_was_written() -> None:
    assert written(read(PublicKey, KEY)) == KEY


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        KEY[:-1],
        KEY + b"\n",
        KEY.replace(b":", b": "),
        KEY.replace(b'"now"', b"7"),
        KEY.replace(b'"now"', b'"\\ud800"'),
        KEY.replace(b'{"cr', b'{"another":1,"cr'),
        KEY.replace(b'{"cr', b'{"created_at":"then","cr'),
        KEY.replace(b'"now"', b'"no\\u0077"'),
        KEY.replace(b'"now"', b"9" * 5_000),
        KEY.replace(b',"public_key":"b"', b""),
    ],
)
def test_any_other_spelling_is_refused(text: bytes) -> None:
    with pytest.raises(Malformed):
        read(PublicKey, text)


# --- tables ---


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2, max_size=2)))
def test_a_table_is_read_as_it_was_written(rows: list[list[str]]) -> None:
    text = table_text(("one", "other"), ([shielded(cell) for cell in row] for row in rows))
    assert [[bared(cell) for cell in row] for row in read_table(("one", "other"), text.encode())] == rows


@given(st.text(st.characters(codec="utf-8")))
def test_no_cell_that_people_wrote_is_a_formula(text: str) -> None:
    assert not shielded(text).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert bared(shielded(text)) == text


@pytest.mark.parametrize(
    "text", [b"", b"one\r\n", b"one,other\r\na\r\n", b'one,other\r\n"a,b\r\n', b"one,other\r\n\xff,b"]
)
def test_a_table_of_another_shape_is_refused(text: bytes) -> None:
    with pytest.raises(Malformed):
        read_table(("one", "other"), text)


# --- keys ---


def test_a_signature_is_of_one_message_and_one_key() -> None:
    one, other = signer(), signer()
    signature = one.sign(b"403")
    assert is_signed(one.public_key, b"403", signature)
    assert not is_signed(one.public_key, b"402", signature)
    assert not is_signed(other.public_key, b"403", signature)
    assert not is_signed("no key", b"403", signature)
    assert not is_signed(one.public_key, b"403", "no signature")


def test_whoever_trusts_a_key_trusts_those_that_follow_from_it_and_no_others() -> None:
    first = signer()
    third = signer(after=signer(after=first))
    stranger = signer()
    keys = [*third.lineage, stranger.lineage[0]]
    assert list(trusted_from([first.key_id], keys)) == [key.key_id for key in third.lineage]
    assert list(trusted_from([third.key_id], keys)) == [third.key_id]
    assert trusted_from([], keys) == {}


def test_an_endorsement_that_was_changed_carries_no_trust() -> None:
    first, stranger = signer(), signer()
    second = signer(after=first).lineage[1]
    forged = [
        PublicKey(
            key_id=stranger.key_id,
            public_key=stranger.public_key,
            created_at=second.created_at,
            endorsed_by=second.endorsed_by,
            endorsement=second.endorsement,
        ),
        PublicKey(
            key_id=second.key_id,
            public_key=stranger.public_key,
            created_at=second.created_at,
            endorsed_by=second.endorsed_by,
            endorsement=second.endorsement,
        ),
    ]
    for one in forged:
        assert list(trusted_from([first.key_id], [*first.lineage, one])) == [first.key_id]


# --- zips ---


def test_a_bundle_is_the_same_bytes_for_the_same_files() -> None:
    files = {"b.txt": b"2" * 999, "a.csv": b"1"}
    assert zipped(files) == zipped(dict(reversed(files.items())))
    assert unzipped(zipped(files)) == files


def hostile(*members: tuple[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    whole = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(whole, "w", how) as archive:
        warnings.simplefilter("ignore")
        for name, content in members:
            archive.writestr(name, content)
    return whole.getvalue()


def lying(bundle: bytes) -> bytes:
    """The same zip, with a header that says that its file has one byte."""
    start = bundle.index(b"PK\1\2")
    return bundle[: start + 24] + (1).to_bytes(4, "little") + bundle[start + 28 :]


@pytest.mark.parametrize(
    ("bundle", "said"),
    [
        (b"", "not a zip"),
        (b"PK\3\4 no", "not a zip"),
        (zipped({"a.csv": b"1" * 99})[:-30], "not a zip"),
        (hostile(("../a.csv", b"1")), "name of a file"),
        (hostile(("/etc/passwd", b"1")), "name of a file"),
        (hostile(("a\\b", b"1")), "name of a file"),
        (hostile(("a.csv", b"1"), ("a.csv", b"2")), "same name"),
        (hostile(*((f"{n}.csv", b"") for n in range(50))), "at most 40"),
        (hostile(("a.csv", b"0" * (70 << 20))), "far more"),
        (lying(hostile(("a.csv", b"0" * (70 << 20)))), "not a zip"),
        (hostile(("a.csv", b"1"), how=zipfile.ZIP_LZMA), "unusual"),
    ],
)
def test_a_zip_that_was_made_to_do_harm_is_refused_in_words(bundle: bytes, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        unzipped(bundle)


@pytest.mark.parametrize("place", range(0, 216, 3))
def test_a_zip_with_a_broken_byte_is_refused_in_words_or_read_as_it_was(place: int) -> None:
    bundle = zipped({"a.csv": b"one,other\r\n" * 9, "b.json": b"{}"})
    with suppress(Malformed):
        unzipped(bundle[:place] + bytes([bundle[place] ^ 0xFF]) + bundle[place + 1 :])


def test_a_ring_of_keys_is_read_as_it_was_written() -> None:
    ring = KeyRing(keys=signer(after=signer()).lineage)
    assert read(KeyRing, written(ring)) == ring


def test_an_entry_says_its_own_snapshot() -> None:
    """So that no entry of one month can be shown as one of another."""
    row = CountedRow(1, 0, 0, FOREVER_US, FOREVER_US, certain=True)
    one, other = (entry_of(7, snapshot, row) for snapshot in (1, 2))
    assert isinstance(one, Entry)
    assert leaf_of(one, b"s" * 32) != leaf_of(other, b"s" * 32)
