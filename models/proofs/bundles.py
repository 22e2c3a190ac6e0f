"""A pack as one zip: the same bytes for the same files, and opened with suspicion."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from typing import BinaryIO

from models.proofs.canonical import Malformed

ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
READABLE_BY_ALL = 0o100644 << 16
UNIX = 3
MOST_FILES = 40
# Salts and digests cannot be pressed, so that an honest bundle never unpacks to many times its size.
ALWAYS_ALLOWED_BYTES, MOST_TIMES_LARGER = 64 << 20, 20
BROKEN_ZIP = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError),
    *(ValueError, NotImplementedError, RuntimeError, OverflowError),
)


def zipped(files: Mapping[str, bytes]) -> bytes:
    whole = io.BytesIO()
    zip_into(whole, {name: [content] for name, content in files.items()})
    return whole.getvalue()


def zip_into(target: BinaryIO, files: Mapping[str, Iterable[bytes]]) -> None:
    """The files in the order of their names, each some bytes at a time. Before a file its size and digest are told, so
    that the target must be one in which to go back.
    """
    with zipfile.ZipFile(target, "w") as archive:
        for name in sorted(files):
            info = zipfile.ZipInfo(name, ZIP_EPOCH)
            info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, UNIX, READABLE_BY_ALL
            with archive.open(info, "w") as member:
                member.writelines(files[name])


def unzipped(bundle: bytes) -> dict[str, bytes]:
    """The files of a bundle; Malformed if it is not one, or was made to do harm."""
    try:
        with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
            return _files(archive, max(ALWAYS_ALLOWED_BYTES, MOST_TIMES_LARGER * len(bundle)))
    except Malformed:
        raise
    except BROKEN_ZIP as problem:
        raise Malformed("it is not a zip that can be read") from problem


def _files(archive: zipfile.ZipFile, room: int) -> dict[str, bytes]:
    members = archive.infolist()
    names = [member.filename for member in members]
    if len(names) > MOST_FILES:
        raise Malformed(f"it holds {len(names)} files; a bundle holds at most {MOST_FILES}")
    if len(set(names)) < len(names):
        raise Malformed("two files in it have the same name")
    files: dict[str, bytes] = {}
    for member in members:
        files[member.filename] = _content(archive, member, room)
        room -= len(files[member.filename])
    return files


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo, room: int) -> bytes:
    """What the header says of the size may be a lie, so no more is read than there is room for."""
    if not is_plain_name(member.filename):
        raise Malformed(f"{member.filename[:50]!r} is not the name of a file of a bundle")
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise Malformed(f"{member.filename} is packed in an unusual way")
    with archive.open(member) as opened:
        content = opened.read(room + 1)
    if len(content) > room:
        raise Malformed("it unpacks to far more than a bundle ever holds")
    return content


def is_plain_name(name: str) -> bool:
    return name.isascii() and name.replace("-", "").replace(".", "").isalnum() and not name.startswith(".")
