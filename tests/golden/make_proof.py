"""How the golden proof was made: `python -m tests.golden.make_proof FOLDER`.

A night on a copy of the golden archive takes it into a ledger; a witness signs the checkpoint and
an authority stamps it, both with test keys. All parts of an order are shown, card secrets included.
What was committed is never made again: it is what strangers have on their disks.
"""

import io
import shutil
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Final

from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

from archiver import layout
from archiver.keyring import KeyPair
from archiver.lookup.finding import FoundOrder
from archiver.proof import Part
from archiver.proving import Outsiders
from archiver.reveal.child import secrets_of
from archiver.reveal.request import RevealRequest
from archiver.stores.directory import DirectoryStore
from tests.archives import RULES, Place, RowsSource
from tests.auditor import secret_in
from tests.cards import OWN
from tests.clock import FrozenClock
from tests.desk import Desk, at
from tests.golden.make import V1, children, shop
from tests.proving.exhibits import SEEN_BY_ONE, Office, office_at, witnessed
from tests.servers.authority import DAY, TimeAuthority, issue

PROOF: Final = Path(__file__).parent / "proof-v1"
ORDER: Final = "N7"


def golden_desk(folder: Path) -> Desk:
    """Return a copy of the golden archive, a day later."""
    shutil.copytree(V1, folder, dirs_exist_ok=True)
    for key in folder.glob("*.key"):
        key.chmod(0o600)  # git keeps no such thing
    clock = FrozenClock(at(6, 3))
    source = RowsSource(OWN, list(shop(5)), exact=True, children=children())
    store = DirectoryStore(folder / "vault", clock)
    return Desk(Place(folder), clock, store, RULES, [source])


def secret_part(office: Office, found: FoundOrder) -> Part:
    """Return an order's secrets as the revealing process gives them for a proof."""
    place, hit, order = found.hit.partition, found.hit, found.order
    request = RevealRequest(
        config="",
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
        base_kek=office.finder.opener.keys.kek(place).hex(),
        reveal_kek=place.keys["reveal"],
        for_proof=True,
    )
    root = KeyPair(secret_in(office.desk.place.folder / "reveal-root.key", "seed"))
    part: Part = secrets_of(office.archive, root, request)["part"]
    return part


def make(folder: Path) -> None:
    """Make the proof, and what its reader knows from elsewhere."""
    with tempfile.TemporaryDirectory() as name:
        desk = golden_desk(Path(name))
        report = desk.night()
        assert report.failures == []
        authority = TimeAuthority(folder=Path(name) / "authority")
        authority.root = issue("Golden Root", authority=True, ends=10_000 * DAY)
        authority.signer = issue("Golden Time", authority.root, ends=10_000 * DAY)
        with office_at(desk) as office, authority:
            checkpoint = office.ledger.checkpoint()
            assert checkpoint is not None
            witnessed(desk, checkpoint)
            query = TimestampRequestBuilder().data(checkpoint.note)
            query = query.hash_algorithm(HashAlgorithm.SHA256)
            token = authority.stamp(query.build().as_bytes()).content
            key = layout.timestamp_key(checkpoint.size, "golden")
            until = desk.clock.now() + timedelta(days=1)
            desk.store.put(key, io.BytesIO(token), retain_until=until)
            outsiders = Outsiders(
                witnesses=SEEN_BY_ONE.witnesses,
                authorities={"golden": [authority.root.certificate]},
            )
            by_source, _ = office.finder.revisions(ORDER)
            (found,) = by_source.values()
            gathered = office.proving(outsiders).gather(found)
            content = gathered.written((), secret_part(office, found))
    folder.mkdir(exist_ok=True)
    (folder / "order.proof.json").write_bytes(content)
    (folder / "authority.pem").write_bytes(authority.root.pem)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
