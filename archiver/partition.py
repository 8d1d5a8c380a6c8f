"""Encrypted Parquet: writing a table so that each leaf opens with its own key, reading it back.

Responsible for FORMAT.md 4, "Inside the file": Parquet Modular Encryption, AES_GCM_V1,
encrypted footer, data keys wrapped with AES-KW (RFC 3394) under the object's KEKs. Refuses to
write a leaf that no key covers. What is signed about a file is the digest of its footer,
which binds every module of it.
"""

import base64
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_wrap,
)

from archiver.errors import KeyUnavailableError, Said, TamperedError
from schemas.orders import leaf_paths

ROW_GROUP_ROWS: Final = 10_000
"""One row group answers a lookup. At 8,192 the keys in the footer cost 2.8 % of the bytes of
an 82-leaf file, here 2.3 %; 16,384 would double what a lookup reads."""
DATA_KEY_BITS: Final = 256
ZSTD_LEVEL: Final = 1
"""Level 3 takes a fifth longer and saves nothing on random secrets and numbers."""
_TRAILER: Final = 8
"""Footer length and magic at the end of a Parquet file."""
_MAGIC: Final = b"PARE"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowGroupRange:
    """Where a row group's bytes lie in its object."""

    offset: int
    length: int
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptedFile:
    """A finished file and what must be known to read and to authenticate it."""

    content: pa.Buffer
    footer_length: int
    footer_sha256: str
    row_groups: Sequence[RowGroupRange]

    def without_content(self) -> "EncryptedFile":
        """Return what is known about a file whose bytes are somewhere else by now."""
        return replace(self, content=pa.py_buffer(b""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the leaves of a file are written. Every reader of Parquet reads them all the same."""

    plain: frozenset[str] = frozenset()
    """Values hardly repeat: a dictionary would cost space."""
    uncompressed: frozenset[str] = frozenset()
    """Nothing is left to compress: random bytes, or none."""
    encodings: Mapping[str, str] = field(default_factory=dict)
    """Parquet encodings of some plain ones, so close that nothing compresses them."""

    def sparing(self, table: pa.Table) -> "Layout":
        """Return a layout that takes no trouble over leaves without any value in a table.

        They are half of a shop's, and each costs two pages a row group, keyed and compressed one
        by one, where it has a dictionary, and one where it has none.
        """
        found = dict(_unused(table))
        same = {path for path, levels in found.items() if not levels}
        return replace(self, plain=self.plain | found.keys(), uncompressed=self.uncompressed | same)

    def options(self, leaves: Iterable[str]) -> dict[str, Any]:
        """Return what `pq.ParquetWriter` is told."""
        bare = self.uncompressed | self.encodings.keys()
        return {
            "compression": {path: "none" if path in bare else "zstd" for path in leaves},
            "compression_level": {path: ZSTD_LEVEL for path in leaves if path not in bare},
            "use_dictionary": [path for path in leaves if path not in self.plain],
            "column_encoding": dict(self.encodings) or None,
            # Statistics would repeat values in the footer; whoever holds the base key may
            # see them there, but no reader of ours uses them.
            "write_statistics": False,
        }


def _unused(table: pa.Table) -> Iterator[tuple[str, bool]]:
    """Yield leaves that have no value, and whether list items make their levels differ."""
    for column in table.schema:
        yield from _unused_below(column.name, column.type, table[column.name].chunks, items=False)


def _unused_below(
    path: str, kind: pa.DataType, chunks: Sequence[pa.Array], *, items: bool
) -> Iterator[tuple[str, bool]]:
    if pa.types.is_struct(kind):
        for number, child in enumerate(kind):
            below = [chunk.field(number) for chunk in chunks]
            yield from _unused_below(f"{path}.{child.name}", child.type, below, items=items)
    elif pa.types.is_list(kind):
        below = [chunk.flatten() for chunk in chunks]
        inside = f"{path}.list.{kind.value_field.name}"
        yield from _unused_below(inside, kind.value_type, below, items=any(map(len, below)))
    elif all(chunk.null_count == len(chunk) for chunk in chunks):
        yield path, items


class _Wrapper(pe.KmsClient):  # type: ignore[misc]  # pyarrow's class is untyped
    """Wraps data keys under the KEKs that this process holds, and only those."""

    def __init__(self, keks: Mapping[str, bytes]) -> None:
        pe.KmsClient.__init__(self)
        self._keks = keks
        self._unwrapped: dict[tuple[bytes, str], bytes] = {}

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> bytes:
        # The wrapped key becomes part of a JSON text in the footer, hence base64.
        return base64.b64encode(aes_key_wrap(self._keks[master_key_identifier], key_bytes))

    def unwrap_key(self, wrapped_key: bytes, master_key_identifier: str) -> bytes:
        if master_key_identifier not in self._keks:
            # pyarrow turns this into the PermissionError of the one leaf that was asked for.
            raise PermissionError(master_key_identifier)
        # pyarrow asks for each column's data key several times in every row group.
        known = self._unwrapped.get((wrapped_key, master_key_identifier))
        if known is not None:
            return known
        try:
            kek = self._keks[master_key_identifier]
            key = aes_key_unwrap(kek, base64.b64decode(wrapped_key))
            self._unwrapped[wrapped_key, master_key_identifier] = key
            return key
        except (InvalidUnwrap, ValueError):
            raise PermissionError(master_key_identifier) from None


class FileWriter:
    """One encrypted file, written row group by row group into memory."""

    def __init__(
        self,
        schema: pa.Schema,
        keks: Mapping[str, bytes],
        leaf_keys: Mapping[str, str],
        *,
        footer_key: str,
        layout: Layout,
    ) -> None:
        """Open the file.

        Args:
            schema: Its Arrow schema, key-value metadata included.
            keks: KEKs by name.
            leaf_keys: For every Parquet leaf of `schema` the name of its KEK.
            footer_key: The name of the KEK that opens the footer.
            layout: How its leaves are written.
        """
        if leaf_keys.keys() != leaf_paths(schema).keys():
            # pyarrow would leave it unencrypted, and say nothing.
            message = "every leaf of the schema needs a key, and only those"
            raise ValueError(message)
        column_keys: dict[str, list[str]] = {}
        for path, name in leaf_keys.items():
            column_keys.setdefault(name, []).append(path)
        self._sink = pa.BufferOutputStream()
        self._ranges: list[RowGroupRange] = []
        self._writer = pq.ParquetWriter(
            self._sink,
            schema,
            **layout.options(leaf_keys),
            encryption_properties=_factory(keks).file_encryption_properties(
                pe.KmsConnectionConfig(),
                pe.EncryptionConfiguration(
                    footer_key=footer_key,
                    column_keys=column_keys,
                    encryption_algorithm="AES_GCM_V1",
                    plaintext_footer=False,
                    double_wrapping=False,
                    internal_key_material=True,
                    data_key_length_bits=DATA_KEY_BITS,
                ),
            ),
        )

    def write_row_group(self, table: pa.Table) -> None:
        """Append one row group."""
        start = self._sink.tell()
        self._writer.write_table(table, row_group_size=max(len(table), 1))
        self._ranges.append(
            RowGroupRange(offset=start, length=self._sink.tell() - start, rows=len(table))
        )

    def finish(self) -> EncryptedFile:
        """Close the file and return it."""
        self._writer.close()
        content = self._sink.getvalue()
        view = memoryview(content)
        length = int.from_bytes(view[-_TRAILER:-4], "little") + _TRAILER
        return EncryptedFile(
            content=content,
            footer_length=length,
            footer_sha256=hashlib.sha256(view[-length:]).hexdigest(),
            row_groups=tuple(self._ranges),
        )


def open_file(
    content: bytes | memoryview | pa.Buffer,
    keks: Mapping[str, bytes],
    *,
    footer_sha256: str,
    where: str,
) -> pq.ParquetFile:
    """Return a reader over a whole encrypted file whose footer is the signed one.

    Args:
        content: The object's bytes.
        keks: The KEKs that this process holds; leaves under others cannot be read.
        footer_sha256: From the signed manifest.
        where: The object's key, for errors.

    Raises:
        TamperedError: The footer is not the signed one.
        KeyUnavailableError: The footer's KEK is not among `keks`.
    """
    view = memoryview(content)
    require_footer(view, footer_sha256=footer_sha256, where=where)
    return open_verified(pa.BufferReader(pa.py_buffer(view)), keks, where)


def require_footer(tail: memoryview, *, footer_sha256: str, where: str) -> None:
    """Check that an object's last bytes end with the footer that was signed.

    Args:
        tail: The object's end, at least as long as its footer.
        footer_sha256: From the signed manifest.
        where: The object's key, for errors.

    Raises:
        TamperedError: They do not.
    """
    if bytes(tail[-4:]) != _MAGIC:
        raise TamperedError(
            key=where, detail=Said("not an encrypted Parquet file", "不是加密的 Parquet 文件")
        )
    length = int.from_bytes(tail[-_TRAILER:-4], "little") + _TRAILER
    if hashlib.sha256(tail[-length:]).hexdigest() != footer_sha256:
        raise TamperedError(
            key=where,
            detail=Said("the footer is not the one that was signed", "文件尾与签名时的不同"),
        )


def open_verified(file: io.IOBase, keks: Mapping[str, bytes], where: str) -> pq.ParquetFile:
    """Return a reader over a file whose footer `require_footer` has let pass.

    Raises:
        KeyUnavailableError: The footer's KEK is not among `keks`.
        TamperedError: It does not decrypt.
    """
    properties = _factory(keks).file_decryption_properties(
        pe.KmsConnectionConfig(), pe.DecryptionConfiguration()
    )
    try:
        # Everything is in memory: there is nothing to fetch ahead, on a thread of its own.
        return pq.ParquetFile(file, decryption_properties=properties, pre_buffer=False)
    except PermissionError:
        raise KeyUnavailableError(
            key=Said("footer", "文件尾"),
            detail=Said(f"it does not open {where}", f"它打不开 {where}"),
        ) from None
    except (OSError, pa.ArrowInvalid) as error:
        raise TamperedError(key=where, detail=str(error).splitlines()[0]) from None


def read_rows(file: pq.ParquetFile, columns: Sequence[str], where: str) -> pa.Table:
    """Return rows of the given leaves in the order they were sealed.

    Args:
        file: From `open_file`.
        columns: Leaf paths to read; only these are touched.
        where: The object's key, for errors.

    Raises:
        KeyUnavailableError: A leaf's KEK is not held.
        TamperedError: A module does not decrypt.
    """
    with _reading(where):
        return file.read(columns=list(columns), use_threads=False)


def read_row_group(
    file: pq.ParquetFile, number: int, columns: Sequence[str], where: str
) -> pa.Table:
    """Return one row group; see `read_rows`."""
    with _reading(where):
        return file.read_row_group(number, columns=list(columns), use_threads=False)


def read_until(
    file: pq.ParquetFile, number: int, row: int, columns: Sequence[str], where: str
) -> pa.RecordBatch | None:
    """Return one row group up to a row, that one included; None if it ends before it.

    What stands behind the row is not decoded. See `read_rows`.
    """
    with _reading(where):
        batches = file.iter_batches(row + 1, [number], list(columns), use_threads=False)
        read = next(batches, None)
    return None if read is None or len(read) <= row else read


def read_row_groups(file: pq.ParquetFile, columns: Sequence[str], where: str) -> Iterator[pa.Table]:
    """Yield the row groups one after the other; see `read_rows`."""
    for number in range(file.num_row_groups):
        yield read_row_group(file, number, columns, where)


@contextmanager
def _reading(where: str) -> Iterator[None]:
    try:
        yield
    except PermissionError:
        raise KeyUnavailableError(
            key=Said("column", "列"),
            detail=Said(f"a column of {where} is closed", f"{where} 有一列无法打开"),
        ) from None
    except (OSError, pa.ArrowInvalid) as error:
        raise TamperedError(key=where, detail=str(error).splitlines()[0]) from None


def as_binary_file(file: EncryptedFile) -> io.BytesIO:
    """Return the content as the seekable file that a store takes."""
    return io.BytesIO(memoryview(file.content))


def _factory(keks: Mapping[str, bytes]) -> pe.CryptoFactory:
    # One factory per file: its key cache must not outlive the file it serves.
    return pe.CryptoFactory(lambda _connection: _Wrapper(keks))
