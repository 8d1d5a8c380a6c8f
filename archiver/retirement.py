"""Retiring a source: another one continues it, and what was sealed stays known.

Responsible for refusing what would lose or double orders, and for the record: signed, locked as
evidence, in the store, so that every host knows it. It cannot be undone.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pv

from archiver import layout
from archiver.archive import Archive
from archiver.catalog import Catalog
from archiver.errors import AlreadyStoredError, AnotherRunError, RequestError, Said, TamperedError
from archiver.inheritance import Inheritance
from archiver.known import KnownOrders
from archiver.ports import VersionEntry
from archiver.recognition import Recogniser
from archiver.retired_ids import put_ids, read_ids
from archiver.tokens import Bytes2D, first_64_bits
from archiver.write_once import put_once
from schemas.documents import Retirement

MAX_IDS: Final = 5_000_000
"""320 MB while they are compared, 160 MB in the store."""
MAX_MAP_BYTES: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class IdMap:
    """Which order of the successor is which order of the retired source."""

    old: pa.Array
    new: pa.Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """What retiring a source came to."""

    retirement: Retirement
    again: bool
    """It had been recorded before, and nothing was written."""
    mapped: int
    """Orders that the id map names and that were sealed."""
    unknown: int
    """Others that it names: nothing of them was sealed, so they are new."""


def read_id_map(path: Path) -> IdMap:
    """Read a CSV file with the columns `old` and `new`.

    Raises:
        RequestError: It cannot be read, or does not say which order is which. No id is told.
    """
    try:
        if path.stat().st_size > MAX_MAP_BYTES:
            raise _wrong(path, "more than 1 GiB", "超过 1 GiB")
        options = pv.ConvertOptions(
            column_types={"old": pa.string(), "new": pa.string()}, strings_can_be_null=False
        )
        table = pv.read_csv(path, convert_options=options)
    except OSError as error:
        raise _wrong(path, str(error.strerror), str(error.strerror)) from None
    except pa.ArrowInvalid:  # it quotes the line
        raise _wrong(
            path, "no CSV in UTF-8 with as many values in each line", "不是每行列数相同的 UTF-8 CSV"
        ) from None
    if sorted(table.column_names) != ["new", "old"]:
        raise _wrong(path, "its first line must be: old,new", "首行应为：old,new")
    if not 0 < len(table) <= MAX_IDS:
        raise _wrong(
            path,
            f"{len(table)} lines; 1 to {MAX_IDS} are possible",
            f"{len(table)} 行；应为 1 至 {MAX_IDS} 行",
        )
    for name in ("old", "new"):
        ids = table[name]
        blank = pc.sum(pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(ids)), 0)).as_py()
        if blank:
            raise _wrong(path, f"{name} is empty in {blank} lines", f"{blank} 行的 {name} 为空")
        twice = len(ids) - pc.count_distinct(ids).as_py()
        if twice:
            raise _wrong(
                path,
                f"{twice} ids stand twice in the column {name}",
                f"{name} 列中有 {twice} 个重复的订单号",
            )
    return IdMap(table["old"].combine_chunks(), table["new"].combine_chunks())


def retire(
    archive: Archive,
    catalog: Catalog,
    known: KnownOrders,
    source: str,
    successor: str,
    *,
    configured: Collection[str],
    ids: IdMap | None = None,
) -> Retired:
    """Record that `successor` continues `source`. A second call with the same changes nothing.

    Args:
        archive: Opened to seal.
        catalog: Refreshed.
        known: Caught up with it.
        source: The source that is gone.
        successor: Whose rows are its orders, too.
        configured: The sources in the configuration.
        ids: Which order is which; None where order ids have stayed the same.

    Raises:
        RequestError: It would lose or double orders, or contradicts what is recorded.
        AnotherRunError: Another run retires it at the same time.
        StoreError: Nothing is known; calling again is safe.
    """
    _require_possible(catalog, source, successor, configured)
    pairs = None if ids is None else _pairs(archive, known, source, successor, ids)
    before = catalog.retired.get(source)
    if before is not None:
        _require_same(archive, before, successor, pairs)
        return _retired(before, ids, again=True)
    stored = None if pairs is None else put_ids(archive, source, pairs)
    retirement = Retirement(
        archive=archive.id,
        source=source,
        successor=successor,
        created_at=archive.clock.now(),
        manifest=catalog.next_number - 1,
        head=catalog.head,
        ids=stored,
    )
    try:
        put_once(
            archive.store,
            layout.retirement_key(source),
            archive.signed(retirement, "retirement"),
            retain_until=archive.evidence_until(),
            ours=partial(_counts, archive),
        )
    except AlreadyStoredError:
        raise AnotherRunError(
            detail=Said(f"it has retired {source}", f"它已将 {source} 退役")
        ) from None
    return _retired(retirement, ids, again=False)


def _counts(archive: Archive, content: bytes, version: VersionEntry) -> bool:
    """Return whether a version is a retirement of this key's source."""
    try:
        found = archive.verify(content, "retirement", Retirement, version.key, version.written_at)
    except TamperedError:
        return False
    return layout.retirement_key(found.source) == version.key


def _retired(retirement: Retirement, ids: IdMap | None, *, again: bool) -> Retired:
    mapped = retirement.ids.count if retirement.ids else 0
    named = len(ids.old) if ids else 0
    return Retired(retirement=retirement, again=again, mapped=mapped, unknown=named - mapped)


def _require_possible(
    catalog: Catalog, source: str, successor: str, configured: Collection[str]
) -> None:
    sealed = {entry.document.source for entry in catalog.entries}
    if source == successor:
        raise _refused("a source cannot continue itself", "数据源不能由自身接替")
    if source not in sealed:
        names = ", ".join(sorted(sealed)) or "–"
        raise _refused(
            f"nothing is sealed under {source}; there is: {names}",
            f"{source} 名下没有封存内容；已有：{names}",
        )
    if successor not in configured:
        names = ", ".join(configured) or "–"
        raise _refused(
            f"the configuration has no [[source]] {successor}; there is: {names}",
            f"配置中没有 [[source]] {successor}；已有：{names}",
        )
    if successor in catalog.retired:
        last = catalog.retired[successor].successor
        raise _refused(
            f"{successor} is retired itself, in favour of {last}",
            f"{successor} 自身已退役，由 {last} 接替",
        )
    if source in configured and source not in catalog.retired:
        raise _refused(
            f"{source} is still in the configuration, and nights would go on sealing it: "
            "take its [[source]] out first",
            f"{source} 仍在配置中，夜间任务会继续封存：请先删除其 [[source]]",
        )


def _require_same(
    archive: Archive, before: Retirement, successor: str, pairs: Bytes2D | None
) -> None:
    theirs = None if before.ids is None else read_ids(archive, before.ids)
    same = (pairs is None) == (theirs is None) and (
        pairs is None or theirs is None or np.array_equal(pairs, theirs)
    )
    if before.successor != successor or not same:
        day = before.created_at.date()
        raise _refused(
            f"{before.source} was retired on {day} in favour of {before.successor}, "
            f"{'with' if before.ids else 'without'} an id map; that is signed and locked, and "
            "cannot be undone or changed",
            f"{before.source} 已于 {day} 退役，由 {before.successor} 接替"
            f"（{'有' if before.ids else '无'}订单号对照表）；该记录已签名并锁定，不能撤销或更改",
        )


def _pairs(
    archive: Archive, known: KnownOrders, source: str, successor: str, ids: IdMap
) -> Bytes2D:
    """Return the tokens of a map's orders that are known, sorted by those of the successor."""
    old, found = Inheritance(archive, known, source).tokens_known(ids.old)
    if not found.any():
        raise _refused(
            f"none of the {len(found)} old ids in the map was sealed under {source}; "
            "are its columns the right way round?",
            f"对照表中的 {len(found)} 个旧订单号均未在 {source} 名下封存；两列是否颠倒？",
        )
    token_key = archive.night_keys().token_key
    new = Recogniser.of(successor, token_key).orders(pa.chunked_array([ids.new]))
    pairs = np.concatenate([new[found], old[found]], axis=1)
    return pairs[np.argsort(first_64_bits(pairs), kind="stable")]


def _refused(en: str, zh: str) -> RequestError:
    return RequestError(detail=Said(en, zh))


def _wrong(path: Path, en: str, zh: str) -> RequestError:
    return _refused(f"the id map {path}: {en}", f"订单号对照表 {path}：{zh}")
