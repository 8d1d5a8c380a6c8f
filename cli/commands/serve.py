"""`archiver serve`: the archive over HTTP."""

import click

from cli.options import Call, command
from cli.report import Report


@command(
    "serve",
    short="Serve the API and the console 启动服务",
    text=(
        "Serve the API (/v1) and the console to operators and to the shop's own site, until it is "
        "told to end (SIGTERM, Ctrl-C): answers that are under way are finished. Listens on "
        "127.0.0.1:8080; [service] has the address, TLS files or the proxies in front, and limits. "
        "Needs the base root of this archive. Its log goes to standard error, one JSON object to a "
        "line, without contents.\n\n"
        "为操作员与商店网站提供接口（/v1）和控制台，直至收到结束信号（SIGTERM、Ctrl-C），"
        "进行中的应答会先完成。默认监听 127.0.0.1:8080；地址、TLS 证书或前置代理及限额"
        "见 [service]。"
        "需要本档案库的根密钥。日志写入标准错误，每行一个 JSON 对象，不含内容。"
    ),
    examples=(
        "archiver serve",
        "archiver serve --port 8443 --config /etc/archiver/archiver.toml",
    ),
)
@click.option("--port", type=click.IntRange(0, 65_535), help="Another port. 其他端口。")
def serve(call: Call, *, port: int | None) -> Report:
    """Serve until the end."""
    from dataclasses import replace

    from archiver.service.pages.console import console
    from archiver.service.serving import serve as serving
    from cli.logs import show_log

    installation = call.installation()
    if port is not None:
        section = installation.configuration.service.model_copy(update={"port": port})
        configuration = installation.configuration.model_copy(update={"service": section})
        installation = replace(installation, configuration=configuration)
    call.archive = installation.anchored.archive
    show_log(shown=True)
    serving(
        installation,
        call.config,
        pages=console(),
        ready=lambda address: click.echo(call.words("serve.ready", address=address), err=True),
    )
    return Report()
