"""The work on data objects, cut into chunks for several workers, and what comes back from them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from datetime import timedelta
from typing import Final

from archiver.retention import Rule
from archiver.verification.chain import Chain
from archiver.verification.documents import Opened
from archiver.verification.findings import Finding, found
from archiver.verification.journal import name_of
from archiver.verification.objects import NEEDED, Checked, Keys, Task
from archiver.verification.scope import Scope
from schemas.documents import SealedObject

CHUNK_OBJECTS: Final = 24
CHUNK_BYTES: Final = 32 << 20
"""What a worker takes at a time, at most."""
CHUNKS_EACH: Final = 4
"""For each worker where there is less: none shall wait for the last one's half of the archive."""
SMALLEST_CHUNK: Final = 1 << 20
WORTH_PROCESSES: Final = 24 << 20
"""Bytes of rows to decrypt. Two fresh processes take 0.8 s to begin, which is as long as one takes
for half of that."""

Work = Callable[[Sequence[Task]], list[Checked]]


def tasks_of(
    chain: Chain,
    due: Iterable[SealedObject],
    opened: Opened,
    *,
    token_key: bytes | None,
    proven: Callable[[SealedObject, Rule], bool],
    scope: Scope,
) -> list[Task]:
    """Return what is to be checked of each object that is due.

    Args:
        chain: The manifests that name the objects.
        due: The objects.
        opened: Cohorts' keys.
        token_key: Opened, where the base root is at hand.
        proven: Whether an object's rows were compared before.
        scope: What the store shows.
    """
    tasks = []
    for stored in due:
        manifest = chain.objects[stored.key][1].document
        of = chain.objects.get(stored.of or "")
        needed = NEEDED.get(stored.kind)
        pairs = opened.get(stored.cohort, {})
        keys = Keys(
            pairs={name: pair for name, pair in pairs.items() if name == needed},
            token_key=token_key if stored.kind == "known" else None,
        )
        margin = timedelta(days=manifest.retention_margin_days)
        rule = Rule(years=manifest.retention_years, margin=margin)
        tasks.append(
            Task(
                archive=manifest.archive,
                stored=stored,
                rule=rule,
                of=of[0] if of else None,
                keys=keys,
                proven=proven(stored, rule),
                locks=scope.locks,
                compliance=scope.compliance,
            )
        )
    return tasks


def worked(
    tasks: Sequence[Task], executor: Executor, work: Work, workers: int
) -> Iterator[list[Checked]]:
    """Yield what comes of chunks of tasks, in whatever order they are done."""
    # The hard ones first: what is left at the end is small, and evens out.
    ordered = sorted(tasks, key=lambda task: not _is_hard(task))
    chunks = list(_chunks(ordered, workers))
    hard = sum(task.stored.size_bytes for task in tasks if _is_hard(task))
    if hard < WORTH_PROCESSES:
        # Not worth starting processes for: hashing and waiting leave the interpreter alone.
        with ThreadPoolExecutor(workers, "check") as threads:
            yield from threads.map(work, chunks)
        return
    waiting: set[Future[list[Checked]]] = set()
    try:
        for chunk in chunks:
            waiting.add(executor.submit(work, chunk))
            if len(waiting) > workers * 2:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from _results(done)
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            yield from _results(done)
    finally:
        for future in waiting:
            future.cancel()


def _is_hard(task: Task) -> bool:
    """Return whether leaves are to be computed: work for a processor, not for a disk."""
    return task.stored.kind == "orders" and not task.proven and bool(task.keys.pairs)


def _results(done: Iterable[Future[list[Checked]]]) -> Iterator[list[Checked]]:
    """Yield what was done before what failed: it need not be done again."""
    for future in sorted(done, key=lambda one: one.exception() is not None):
        yield future.result()


def _chunks(tasks: Sequence[Task], workers: int) -> Iterator[list[Task]]:
    chunk: list[Task] = []
    size = 0
    share = sum(task.stored.size_bytes for task in tasks) // (workers * CHUNKS_EACH)
    most = min(max(share, SMALLEST_CHUNK), CHUNK_BYTES)
    for task in tasks:
        if chunk and (len(chunk) == CHUNK_OBJECTS or size + task.stored.size_bytes > most):
            yield chunk
            chunk, size = [], 0
        chunk.append(task)
        size += task.stored.size_bytes
    if chunk:
        yield chunk


def journal_name(task: Task) -> str:
    """Return what stands for a task in the journal."""
    return name_of(task.stored.key, task.stored.version_id, task.stored.sha256)


def digests(chain: Chain) -> dict[str, str]:
    """Return keys by the digests of objects and footers, to recognise what was swapped."""
    named = {}
    for stored, _ in chain.objects.values():
        named[stored.sha256] = stored.key
        named[stored.footer.sha256] = stored.key
    return named


def flaws_of(one: Checked, chain: Chain, by_digest: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what is wrong with an object as findings; what was swapped is recognised.

    Args:
        one: What became of its task.
        chain: The manifests, for whom it concerns.
        by_digest: Keys of objects by the digests of bytes and footers.
    """
    for flaw in one.flaws:
        code, params = flaw.code, dict(flaw.params)
        sha256, footer = params.pop("sha256", None), params.pop("footer", None)
        if code in ("altered", "foreign-file") and by_digest.get(sha256, one.key) != one.key:
            code, params = "swapped", {"other": by_digest[sha256]}
        elif code == "altered" and footer not in by_digest:
            code = "footer-altered"
        elif code == "altered" and by_digest[footer] != one.key:
            code, params = "footer-swapped", {"other": by_digest[footer]}
        elif code == "altered":
            params = {"detail": sha256}
        yield found(
            code,
            key=one.key,
            version_id=one.version_id,
            touched=chain.touched_by_object(one.key),
            **params,
        )
