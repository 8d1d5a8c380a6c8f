"""`archiver token`: by which the shop's own site asks for its buyers."""

from typing import TYPE_CHECKING

import click

from cli.options import Call, command
from cli.people import log_alarms, log_exit, session_for
from cli.report import Report

if TYPE_CHECKING:
    from rich.console import Console


@click.group("token", short_help="The shop's site 商店网站令牌")
def token() -> None:
    """Tokens by which the shop's own site asks. 商店网站为买家查询所用的令牌。"""  # noqa: D415


@command(
    "add",
    short="Make a token 创建令牌",
    text=(
        "Make a token for the shop's own site. With it the site asks, through the service, for one "
        "buyer's own orders: by a number together with their contact or account. It is shown once. "
        "For administrators, with a code of the last five minutes.\n\n"
        "为商店网站创建令牌：网站可通过服务为买家查询其本人的订单，须同时给出单号与联系方式（或账号）。"
        "令牌仅显示一次。供管理员使用；须有五分钟内的动态码。"
    ),
    examples=("archiver token add shop", "archiver token add shop --daily-budget 5000 --json"),
)
@click.argument("name")
@click.option(
    "--daily-budget",
    type=click.IntRange(1, 10_000_000),
    default=2_000,
    show_default=True,
    help="Questions in 24 hours. 24 小时内的查询次数。",
)
def add(call: Call, *, name: str, daily_budget: int) -> Report:
    """Make a token and show it once."""
    from archiver.paperwork import token_fields
    from archiver.service_tokens import Tokens

    desk, session = session_for(call, "token add")
    tokens = Tokens(state=desk.installation.state, clock=desk.installation.clock)
    tokens.require_addable(name)
    given = desk.acting(
        "token add",
        session,
        lambda: tokens.add(name, daily_budget=daily_budget, by=session.name),
        about=name,
    )

    def show(console: "Console") -> None:
        console.print(call.words("token.added", name=name))
        console.print(given.secret, markup=False, soft_wrap=True)

    return Report(
        exit=log_exit(desk),
        alarms=log_alarms(call, desk),
        fields={**token_fields(given.token), "secret": given.secret},
        show=show,
    )


@command(
    "list",
    short="List tokens 列出令牌",
    text="List tokens, revoked ones included.\n\n列出令牌，包括已失效的。",
    examples=("archiver token list", "archiver token list --json"),
)
def list_tokens(call: Call) -> Report:
    """List tokens."""
    from archiver.access_log import Outcome
    from archiver.paperwork import token_fields
    from archiver.service_tokens import Tokens

    desk, session = session_for(call, "token list")
    desk.record("token list", Outcome.DONE, session)
    found = Tokens(state=desk.installation.state, clock=desk.installation.clock).all()

    def show(console: "Console") -> None:
        from cli.views.people import show_tokens

        show_tokens(console, call, found, desk.installation.rules.zone)

    return Report(
        exit=log_exit(desk),
        alarms=log_alarms(call, desk),
        fields={"tokens": [token_fields(one) for one in found]},
        show=show,
    )


@command(
    "revoke",
    short="End a token 吊销令牌",
    text=(
        "End a token for good; every node refuses it from its next request on.\n\n"
        "永久吊销令牌；所有节点自下一次请求起即拒绝。"
    ),
    examples=("archiver token revoke shop", "archiver token revoke shop --json"),
)
@click.argument("name")
def revoke(call: Call, *, name: str) -> Report:
    """End a token."""
    from archiver.paperwork import token_fields
    from archiver.service_tokens import Tokens

    desk, session = session_for(call, "token revoke")
    tokens = Tokens(state=desk.installation.state, clock=desk.installation.clock)
    left = desk.acting("token revoke", session, lambda: tokens.revoke(name), about=name[:64])

    def show(console: "Console") -> None:
        console.print(call.words("token.revoked", name=left.name))

    return Report(
        exit=log_exit(desk), alarms=log_alarms(call, desk), fields=token_fields(left), show=show
    )


for _command in (add, list_tokens, revoke):
    token.add_command(_command)
