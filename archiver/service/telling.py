"""Telling compliance what happened: each reveal and block, new factors, whatever is unusual.

By the log, the metrics and the alarms' webhook. What is told is on the disk before it is sent, in
the folder from which every run of a command sends what is waiting there: nothing is lost with a
server that is down. Nobody waits for it.
"""

import json
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from archiver.access_log import AccessRecord
from archiver.errors import ArchiverError, Exit, Said
from archiver.judging import Judgement, Level
from archiver.local_files import write_whole
from archiver.lookup.answering import Asker
from archiver.refusals import BlockedError, SecondFactorNeededError
from archiver.webhook import deliver
from archiver.wiring import Installation

UNSENT: Final = "unsent"
AGAIN: Final = timedelta(hours=1)
"""The same thing is told once in so long."""
REMEMBERED: Final = 1_000
SENDERS: Final = 2

log: Final = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Teller:
    """Tells, in threads of its own."""

    installation: Installation
    archive: str
    count: Callable[[str], None]
    """Told the code of each."""
    _told: OrderedDict[tuple[str, ...], datetime] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _senders: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(SENDERS, "telling")
    )

    def unusual(self, judged: Sequence[Judgement]) -> None:
        """Tell of what the watch let pass and of what it found at once too much."""
        for one in judged:
            if self._is_news(("watch", one.subject, one.measure, str(one.level))):
                said = Said(f"{one.subject}: {one.said.en}", f"{one.subject}：{one.said.zh}")
                self.tell("watch", said, Exit.FORBIDDEN if one.level > Level.ALARM else Exit.DONE)

    def refused(self, error: BlockedError | SecondFactorNeededError) -> None:
        """Tell of a block, which only compliance lifts, or of a demand for a code."""
        if self._is_news((error.code, error.text("en"))):
            said = Said(error.text("en"), error.text("zh"))
            after = error.next_command if isinstance(error, BlockedError) else ""
            self.tell(error.code, said, Exit.FORBIDDEN, after)

    def revealed(self, by: str, record: str) -> None:
        """Tell of a reveal, each time."""
        said = Said(
            f"card secrets were shown to {by}, access record {record}",
            f"已向 {by} 显示卡密，访问记录 {record}",
        )
        self.tell("revealed", said, Exit.DONE, "archiver access log")

    def sprung(self, asker: Asker, record: AccessRecord) -> None:
        """Tell of a question for a decoy, each time and at once; whoever asked is told nothing."""
        said = Said(
            f"{asker.name} asked for a decoy from {asker.origin}, access record {record}",
            f"{asker.name} 从 {asker.origin} 查询了诱饵，访问记录 {record}",
        )
        self.tell("decoy", said, Exit.FORBIDDEN, "archiver access log")

    def enrolled(self, name: str, role: str, by: str) -> None:
        """Tell of factors that somebody was given: who gives them could have kept them."""
        said = Said(
            f"{name} ({role}) was given password and phone secret by {by}",
            f"{by} 为 {name}（{role}）设置了密码与动态码密钥",
        )
        self.tell("access-given", said, Exit.DONE, "archiver operator list")

    def tell(self, code: str, said: Said, ended: Exit, after: str = "") -> None:
        """Tell of one thing; returns at once."""
        self.count(code)
        log.warning("told", extra={"code": code, "what": said.en})
        self._senders.submit(self._send, code, said, ended, after)

    def post(self, act: Callable[[], None]) -> None:
        """Do something behind an answer: carry a code to a buyer."""
        self._senders.submit(self._done, act)

    def close(self) -> None:
        """Let what is under way arrive."""
        self._senders.shutdown()

    def _done(self, act: Callable[[], None]) -> None:
        try:
            act()
        except ArchiverError as error:
            self.count(error.code)
            log.warning("not sent", extra={"code": error.code, "what": str(error)})
        except Exception as error:  # noqa: BLE001  its message might quote a contact
            log.error("not sent", extra={"kind": type(error).__name__})  # noqa: TRY400

    def _send(self, code: str, said: Said, ended: Exit, after: str) -> None:
        try:
            webhook = self.installation.webhook
            if webhook is None:
                return
            now = self.installation.clock.now()
            body = json.dumps(
                {
                    "format": 1,
                    "command": "serve",
                    "archive": self.archive,
                    "exit": int(ended),
                    "outcome": "forbidden" if ended is Exit.FORBIDDEN else "done",
                    "alarms": [
                        {"code": code, "message": f"{said.en} · {said.zh}", "next": after or None}
                    ],
                    "id": os.urandom(16).hex(),
                    "at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
                    "name": self.installation.configuration.archive.name,
                },
                ensure_ascii=False,
            ).encode()
            name = f"{now:%Y%m%dT%H%M%S%f}-{os.urandom(4).hex()}.json"
            path = self.installation.index_folder / UNSENT / name
            write_whole(path, body)
            deliver(webhook, [body], self.installation.clock)
            path.unlink(missing_ok=True)
        except ArchiverError as error:
            log.warning("not told", extra={"code": error.code})
        except OSError as error:
            log.warning("not told", extra={"what": error.strerror})

    def _is_news(self, what: tuple[str, ...]) -> bool:
        now = self.installation.clock.now()
        with self._lock:
            last = self._told.pop(what, None)
            self._told[what] = now if last is None or now - last >= AGAIN else last
            while len(self._told) > REMEMBERED:
                self._told.popitem(last=False)
            return self._told[what] == now and last != now
