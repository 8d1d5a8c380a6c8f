"""Is the access log whole? A numbered argument over state, head file and sealed parts.

1. Each chain in the state has every number, each entry names the one before, its columns say
   what its bytes say, and the row that claims the head agrees.
2. What the head file and the sealed parts know of a chain is in the state, with those digests.
3. Sealed parts verify, follow each other without gaps, and (given the base root) hold entries
   whose digests chain from end to end.

Everything that does not hold is a finding with a code of its own; nothing stops at the first.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import RowMapping

from archiver.access_log.chain import AccessLog, body_of, columns_of
from archiver.access_log.entry import Chained, decode, digest
from archiver.access_log.heads import Garbled, Head, read_heads
from archiver.access_log.parts import StoredPart, open_part, parts_of, sealed_nodes
from archiver.archive import Archive
from archiver.errors import KeyUnavailableError, ObjectMissingError, Said, TamperedError
from archiver.keyring import KeyPair
from schemas.documents import AccessPart

EDITED: Final = "access-edited"
"""An entry is not what it was."""
CUT: Final = "access-cut"
"""Entries are missing, and the chain itself tells."""
RESTORED: Final = "access-restored"
"""The state is older than what was told elsewhere."""
FORKED: Final = "access-forked"
"""The state went on from an older copy, or was written anew."""
PART_MISSING: Final = "access-part-missing"
PART_ALTERED: Final = "access-part-altered"
HEAD_ALTERED: Final = "access-head-altered"
"""The head file has lines that are no heads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that does not hold."""

    code: str
    node: str
    said: Said
    number: int | None = None
    """Of the entry."""
    key: str | None = None
    """Of the object in the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was looked at, and what was found."""

    entries: Mapping[str, int]
    """Of each node in the state."""
    heads: int
    """Lines of the head file."""
    parts: int
    opened: bool
    """The parts' contents were compared, too."""
    findings: Sequence[Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Witness:
    """Somebody outside of the state says what an entry's digest is."""

    node: str
    number: int
    digest: str
    who: Said
    key: str | None = None


def verify_access_log(
    log: AccessLog, archive: Archive | None, root: KeyPair | None = None
) -> Verified:
    """Compare the state's chains with all that knows of them.

    Args:
        log: Any node's log: all chains of its state are looked at.
        archive: For the sealed parts; None leaves them out.
        root: The base root's private half, to compare contents as well.
    """
    heads = read_heads(log.head_file) if log.head_file else []
    ours = [one for one in heads if isinstance(one, Head) and one.archive == log.archive]
    witnesses = [_of_head(head) for head in ours]
    garbled = [one for one in heads if isinstance(one, Garbled) and not one.torn]
    findings = [_of_garbled(log.node, one) for one in garbled]
    nodes = log.nodes()
    parts = 0
    if archive is not None:
        for node in sorted({*nodes, *sealed_nodes(archive)}):
            stored = list(parts_of(archive, node))
            parts += len(stored)
            findings += _of_parts(archive, node, stored, root)
            good = [one for one in stored if isinstance(one, StoredPart)]
            witnesses += [_of_part(one) for one in good]
    counted = {}
    told = {one.node for one in witnesses}
    if not log.state.shared:
        told &= {*nodes, log.node}  # chains of other hosts are in their own states
    for node in sorted({*nodes, *told}):
        claimed = nodes.get(node, (0, None))
        chain = _Chain(node, [one for one in witnesses if one.node == node])
        findings += chain.walk(log, claimed)
        counted[node] = chain.count
    return Verified(
        entries=counted,
        heads=len(ours),
        parts=parts,
        opened=root is not None and archive is not None,
        findings=findings,
    )


class _Chain:
    """One walk over a chain, with those who know something of it."""

    def __init__(self, node: str, witnesses: list[_Witness]) -> None:
        self.node = node
        self.count = 0
        self._asked: dict[int, list[_Witness]] = {}
        for one in witnesses:
            self._asked.setdefault(one.number, []).append(one)

    def walk(self, log: AccessLog, claimed: tuple[int, str | None]) -> Iterator[Finding]:
        """Yield what does not hold."""
        last = 0
        previous: str | None = None
        for row in log.stored(self.node):
            number, body = row["number"], body_of(row)
            made = digest(body)
            self.count += 1
            if number != last + 1:
                yield self._cut(last + 1, number - 1)
                previous = None
            yield from self._of_entry(log, row, made, previous if last == number - 1 else None)
            yield from self._compared(number, made)
            last, previous = number, made
        if claimed[0] > last:
            yield self._cut(last + 1, claimed[0])
        elif claimed != (last, previous):
            yield self._finding(
                CUT, last, "the head's row disagrees with the last entry", "链头与最后一条记录不符"
            )
        beyond = max((number for number in self._asked if number > last), default=None)
        if beyond is not None:
            who = self._asked[beyond][0]
            yield Finding(
                code=RESTORED if claimed[0] <= last else CUT,
                node=self.node,
                number=beyond,
                key=who.key,
                said=Said(
                    f"{who.who} knows entry {beyond}, and the state ends with {last}: it was "
                    "restored from an old copy",
                    f"{who.who.zh}中有第 {beyond} 条记录，而状态库止于第 {last} 条："
                    "状态库被旧副本覆盖",
                )
                if claimed[0] <= last
                else Said(
                    f"{who.who} knows entry {beyond}, and the state ends with {last}: entries "
                    "were cut off",
                    f"{who.who.zh}中有第 {beyond} 条记录，而状态库止于第 {last} 条：记录被截断",
                ),
            )

    def _of_entry(
        self, log: AccessLog, row: RowMapping, made: str, previous: str | None
    ) -> Iterator[Finding]:
        number = row["number"]
        try:
            chained = decode(body_of(row))
        except TamperedError:
            yield self._finding(EDITED, number, "it is no entry any more", "已不是有效记录")
            return
        place = (chained.archive, chained.node, chained.number)
        if made != row["digest"]:
            yield self._finding(EDITED, number, "its bytes were altered", "内容被改动")
        elif place != (log.archive, self.node, number):
            yield self._finding(EDITED, number, "it is another one's", "属于其他位置的记录")
        elif not _same_columns(row, chained):
            yield self._finding(
                EDITED, number, "its columns differ from its bytes", "列与内容不一致"
            )
        elif (number == 1 or previous is not None) and chained.previous != previous:
            yield self._finding(
                EDITED, number, "it does not continue the one before", "与前一条记录不相接"
            )

    def _compared(self, number: int, made: str) -> Iterator[Finding]:
        for witness in self._asked.get(number, ()):
            if witness.digest != made:
                yield Finding(
                    code=FORKED,
                    node=self.node,
                    number=number,
                    key=witness.key,
                    said=Said(
                        f"{witness.who} knows another entry {number}: the state went on from an "
                        "old copy, or was written anew",
                        f"{witness.who.zh}中的第 {number} 条记录不同："
                        "状态库由旧副本继续写入，或被重写",
                    ),
                )
                return

    def _cut(self, first: int, last: int) -> Finding:
        span = str(first) if first == last else f"{first}-{last}"
        return self._finding(CUT, first, f"entries {span} are missing", f"缺少记录 {span}")

    def _finding(self, code: str, number: int, en: str, zh: str) -> Finding:
        said = Said(f"entry {number}: {en}", f"第 {number} 条：{zh}")
        return Finding(code=code, node=self.node, number=number, said=said)


def _same_columns(row: RowMapping, chained: Chained) -> bool:
    expected = columns_of(chained.at, chained.entry)
    return all(row[name] == value for name, value in expected.items())


def verify_parts(archive: Archive, node: str, root: KeyPair | None = None) -> list[Finding]:
    """Compare a node's sealed parts with each other, where there is no state.

    Args:
        archive: The archive.
        node: Whose parts.
        root: The base root's private half, to look into them.
    """
    return list(_of_parts(archive, node, list(parts_of(archive, node)), root))


def _of_head(head: Head) -> _Witness:
    who = Said("the head file", "链头文件")
    return _Witness(node=head.node, number=head.number, digest=head.digest, who=who)


def _of_part(stored: StoredPart) -> _Witness:
    part = stored.document
    who = Said(f"part {part.part} in the store", f"存储中的第 {part.part} 段")
    return _Witness(node=part.node, number=part.last, digest=part.head, who=who, key=stored.key)


def _of_parts(
    archive: Archive,
    node: str,
    stored: Sequence[StoredPart | TamperedError],
    root: KeyPair | None,
) -> Iterator[Finding]:
    """Yield what does not hold among a node's sealed parts."""
    expected, last = 1, None
    for one in stored:
        if isinstance(one, TamperedError):
            key = str(one.params["key"])
            said = Said(one.text("en"), one.text("zh"))
            yield Finding(code=PART_ALTERED, node=node, key=key, said=said)
            expected, last = expected + 1, None
            continue
        part = one.document
        if part.part != expected:
            span = f"{expected}-{part.part - 1}"
            said = Said(f"parts {span} are missing in the store", f"存储中缺少第 {span} 段")
            yield Finding(code=PART_MISSING, node=node, key=one.key, said=said)
            last = None
        if last is not None and not _continues(part, last):
            said = Said(
                f"part {part.part} does not continue the one before",
                f"第 {part.part} 段与前一段不相接",
            )
            yield Finding(code=PART_ALTERED, node=node, key=one.key, said=said)
        if root is not None:
            yield from _of_contents(archive, one, root)
        expected, last = part.part + 1, one


def _continues(part: AccessPart, last: StoredPart) -> bool:
    return (part.previous, part.before, part.first) == (
        last.signed.sha256,
        last.document.head,
        last.document.last + 1,
    )


def _of_contents(archive: Archive, one: StoredPart, root: KeyPair) -> Iterator[Finding]:
    part = one.document
    try:
        _require_chained(one, open_part(archive, part, root))
    except (TamperedError, KeyUnavailableError, ObjectMissingError) as error:
        said = Said(error.text("en"), error.text("zh"))
        yield Finding(code=PART_ALTERED, node=part.node, key=one.key, said=said)


def _require_chained(one: StoredPart, bodies: Sequence[bytes]) -> None:
    part, previous = one.document, one.document.before
    for body in bodies:
        if decode(body).previous != previous:
            said = Said("its entries do not chain", "其中的记录不相接")
            raise TamperedError(key=one.key, detail=said)
        previous = digest(body)
    if previous != part.head or len(bodies) != part.last - part.first + 1:
        said = Said("its entries do not end as it says", "其记录的终点不符")
        raise TamperedError(key=one.key, detail=said)


def _of_garbled(node: str, one: Garbled) -> Finding:
    said = Said(f"line {one.line} of the head file is no head", f"链头文件第 {one.line} 行不是链头")
    return Finding(code=HEAD_ALTERED, node=node, said=said)
