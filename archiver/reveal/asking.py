"""Who may see a card secret, and that it is on record before it is seen.

The order of steps: who it is and whether his role reveals; the order, found with the base key;
the daily cap; somebody else's approval; a fresh code; then the approval is used up, the reveal is
recorded, and the access log's head leaves this host. Only then is the revealing process
started. A death on any line leaves an approval that was spent for nothing, or a record of a secret
that nobody saw: never a secret without a record.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from archiver.access_log import AccessRecord, Asked, Entry, Outcome
from archiver.access_log.question import question_tokens
from archiver.configuration import RevealSection
from archiver.desk import Desk
from archiver.errors import ArchiverError, RequestError, Said
from archiver.lookup.answering import AmbiguousError, Grounds
from archiver.lookup.finding import Finder, FoundOrder
from archiver.masking import masked
from archiver.operators import Approval, Session
from archiver.refusals import NotAllowedError
from archiver.reveal import process
from archiver.reveal.request import RevealRequest

COMMAND: Final = "reveal"
A_DAY: Final = timedelta(hours=24)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Revealed:
    """Secrets that may be shown: it is on record."""

    record: AccessRecord
    found: FoundOrder
    secrets: Sequence[Mapping[str, Any]]
    """One for each delivery: its kind, whether it is a placeholder, and the secret."""


@dataclass(slots=True, kw_only=True)
class Revealing:
    """Reveals to one operator."""

    desk: Desk
    session: Session
    why: Grounds
    finder: Finder
    config: Path
    """The configuration's file: the revealing process reads it, too."""
    command: str = COMMAND
    """As it is recorded."""

    @property
    def rules(self) -> RevealSection:
        """What `[reveal]` says."""
        return self.desk.installation.configuration.reveal

    @property
    def environment(self) -> Mapping[str, str]:
        """What the revealing process inherits."""
        return self.desk.installation.environment

    def reveal(self, order_id: str, source: str | None, code: Callable[[], str]) -> Revealed:
        """Reveal the latest revision of one order.

        Args:
            order_id: As the shop wrote it.
            source: Where it stands in several.
            code: Asks for a fresh code of the operator's phone, once everything else is settled.

        Raises:
            NotAllowedError: The rules forbid it; it is on record.
            ApprovalNeededError: Somebody else has to agree first; that is asked for now.
            CodeRefusedError: The code is wrong, old or used.
            AccessLogUnwritableError: It could not be recorded: nothing was revealed.
            RevealFailedError: The revealing process failed; that is recorded, too.
        """
        self._require_case(order_id)
        found = self._found(order_id, source)
        request = request_of(self.finder, found, self.config)
        record, secrets = self._released(
            found, {}, code, lambda: process.reveal(request, self.environment, self.rules.runner)
        )
        return Revealed(record=record, found=found, secrets=secrets)

    def disclose(self, found: FoundOrder, code: Callable[[], str]) -> Mapping[str, Any]:
        """Return the secrets of an order as the part of a proof that shows them to a stranger.

        An approval for it is for that alone, and one to reveal does not cover it. Raises what
        `reveal` raises.

        Args:
            found: The order.
            code: As for `reveal`.
        """
        self._require_case(found.order["order_id"])
        request = request_of(self.finder, found, self.config).model_copy(update={"for_proof": True})
        _, part = self._released(
            found,
            {"for": "proof"},
            code,
            lambda: process.disclose(request, self.environment, self.rules.runner),
        )
        return part

    def _require_case(self, order_id: str) -> None:
        if self.why.case is None:
            self._record(Outcome.DENIED, order_id, detail="case")
            raise NotAllowedError(
                detail=Said("only within a case (--case)", "仅可在案件中进行（--case）")
            )

    def _released(
        self,
        found: FoundOrder,
        besides: Mapping[str, str],
        code: Callable[[], str],
        release: Callable[[], T],
    ) -> tuple[AccessRecord, T]:
        """Return what is released once cap, approval and code allow it and it is on record."""
        order_id: str = found.order["order_id"]
        self._require_below_cap(order_id)
        approval = self._approved(found, besides) if self.rules.approval else None
        try:
            session = self.desk.logins.confirm(self.session, code())
        except ArchiverError as error:
            self._record(Outcome.FAILED, order_id, detail=error.code)
            raise
        if approval is not None:
            approval = self.desk.approvals.consume(approval, session)
        record = self._record(
            Outcome.REVEALED,
            order_id,
            objects=(found.hit.partition.key,),
            count=1,
            approval=approval,
        )
        self.desk.access_log.publish_head()
        try:
            return record, release()
        except ArchiverError as error:
            self._record(Outcome.FAILED, order_id, detail=error.code, approval=approval)
            raise

    def _found(self, order_id: str, source: str | None) -> FoundOrder:
        by_source, _ = self.finder.revisions(order_id, source)
        if len(by_source) > 1:
            self._record(Outcome.DENIED, order_id, detail="ambiguous")
            raise AmbiguousError(sources=", ".join(by_source))
        if not by_source:
            self._record(Outcome.MISSED, order_id)
            raise RequestError(
                detail=Said(
                    "no such order is archived; archiver find says more",
                    "没有归档该订单；archiver find 可给出详情",
                )
            )
        return next(iter(by_source.values()))

    def _require_below_cap(self, order_id: str) -> None:
        since = self.desk.installation.clock.now() - A_DAY
        entries = self.desk.access_log.entries(since=since, operator=self.session.name)
        revealed = sum(one.entry.outcome is Outcome.REVEALED for one in entries)
        if revealed >= self.rules.daily_cap:
            self._record(Outcome.DENIED, order_id, detail="cap")
            raise NotAllowedError(
                detail=Said(
                    f"{revealed} orders were revealed to {self.session.name} within 24 hours, "
                    "no more may be ([reveal] daily_cap)",
                    f"24 小时内已向 {self.session.name} 显示 {revealed} 笔订单的卡密，"
                    "已达上限（[reveal] daily_cap）",
                )
            )

    def _approved(self, found: FoundOrder, besides: Mapping[str, str]) -> Approval:
        order = found.order
        asked = {
            "source": order["source"],
            "order": order["order_id"],
            "revision": str(order["revision"]),
            "case": str(self.why.case),
            **besides,
        }
        # The request stands in the state in plain: of the order number only its end.
        said = f"{self.command} {order['source']} {masked(order['order_id'])} · {self.why.case}"
        try:
            return self.desk.approvals.require_granted(COMMAND, asked, self.session, said=said)
        except ArchiverError as error:
            self._record(Outcome.DENIED, order["order_id"], detail=error.code)
            raise

    def _record(
        self,
        outcome: Outcome,
        order_id: str,
        *,
        objects: Sequence[str] = (),
        count: int = 0,
        detail: str | None = None,
        approval: Approval | None = None,
    ) -> AccessRecord:
        tokens = question_tokens(self.finder.keys.token_key, "order", [order_id])
        return self.desk.access_log.record(
            Entry(
                command=self.command,
                outcome=outcome,
                operator=self.session.name,
                role=self.session.role.value,
                origin=self.desk.origin,
                purpose=self.why.purpose,
                case=self.why.case,
                question=[Asked(kind="order", token=token) for token in tokens],
                objects=tuple(objects),
                orders=tuple(tokens) if outcome is Outcome.REVEALED else (),
                count=count,
                detail=detail,
                approval=None if approval is None else approval.number,
            )
        )


def request_of(finder: Finder, found: FoundOrder, config: Path) -> RevealRequest:
    """Return what the revealing process is told about one order."""
    place, hit, order = found.hit.partition, found.hit, found.order
    return RevealRequest(
        config=str(config),
        source=order["source"],
        order_id=order["order_id"],
        revision=order["revision"],
        key=place.key,
        version_id=place.version_id,
        footer_sha256=place.footer.sha256,
        cohort=place.cohort,
        row_group=hit.row_group,
        row=hit.row,
        first_row=sum(rows for _, _, rows in place.row_groups[: hit.row_group]),
        base_kek=finder.opener.keys.kek(place).hex(),
        reveal_kek=place.keys["reveal"],
    )
