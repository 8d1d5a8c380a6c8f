"""What a build of the search index came to."""

from rich.console import Console
from rich.text import Text

from archiver.index import Built
from archiver.search_tokens import Kind
from cli.options import Call
from cli.screen import size
from cli.texts import Words


def show_index(console: Console, call: Call, built: Built) -> None:
    """Print it."""
    words = call.words
    console.print(
        words(
            "index.built" if built.read else "index.current",
            orders=built.orders,
            tokens=built.tokens,
            size=size(built.size_bytes),
            manifest=built.manifest,
        )
    )
    if built.lacking:
        worst = max(built.lacking, key=lambda one: one.partitions)
        kinds = words("index.and").join(_kind(words, one.kind) for one in built.lacking)
        lacking = words(
            "index.lacking",
            count=worst.partitions,
            first=worst.days[0],
            last=worst.days[-1],
            kinds=kinds,
        )
        console.print(Text.assemble(("· ", "yellow"), lacking))
        only_parts = {one.kind for one in built.lacking} == {Kind.CARD_PART}
        again = "archiver rebuild-index --deep" + (" --cards" if only_parts else "")
        console.print(
            Text.assemble(("→ ", "bold"), (words("next"), "dim"), " ", (call.next(again), "bold")),
            soft_wrap=True,
        )


def _kind(words: Words, kind: Kind) -> str:
    return words(
        {
            Kind.ORDER_ID: "index.order-id",
            Kind.PAYMENT_NO: "index.payment-no",
            Kind.ACCOUNT: "index.account",
            Kind.CONTACT: "index.contact",
            Kind.CLIENT_IP: "index.client-ip",
            Kind.MERCHANT: "index.merchant",
            Kind.TARGET: "index.target",
            Kind.CARD: "index.card",
            Kind.CARD_PART: "index.card-part",
        }[kind]
    )
