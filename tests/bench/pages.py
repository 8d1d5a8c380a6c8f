"""How soon pages of the console begin, and how heavy they are: one visitor on a quiet service."""

import http.client
import re
import time
from collections.abc import Iterator, Sequence
from html import unescape
from statistics import quantiles
from typing import Final
from urllib.parse import urlencode

from archiver.service.admission import CSRF_HEADER
from tests.bench.figures import Figure
from tests.service.nodes import Node

NAME: Final = "service"
ROUNDS: Final = 20
PLAIN: Final = ("/search", "/status", "/approvals", "/exports")


def figures(node: Node, head: str, numbers: Sequence[str]) -> Iterator[Figure]:
    """Open pages again and again.

    Args:
        node: The service.
        head: Header lines of somebody of compliance who is logged in.
        numbers: Of orders, a new one for each round.
    """
    headers = dict(line.split(": ", 1) for line in head.strip().split("\r\n"))
    visitor = _Visitor(node, headers)
    took: dict[str, list[float]] = {}
    heaviest = {"": 0}
    for number in numbers[: ROUNDS + 1]:
        for name, seconds, size in visitor.round(number):
            took.setdefault(name, []).append(1_000 * seconds)
            heaviest[name] = max(size, heaviest.get(name, 0))
    slowest = {name: quantiles(each[1:], n=20)[18] for name, each in took.items()}
    name = max(slowest, key=lambda one: slowest[one])
    yield _figure(f"first byte p95, slowest page ({name})", slowest[name], "ms", 100)
    every = quantiles([one for each in took.values() for one in each[1:]], n=20)[18]
    yield _figure("first byte p95, all pages", every, "ms", 100)
    name = max(heaviest, key=lambda one: heaviest[one])
    yield _figure(f"heaviest page ({name})", heaviest[name] / 1_000, "kB", 60)


def _figure(what: str, value: float, unit: str, target: float) -> Figure:
    return Figure(benchmark=NAME, what=what, value=value, unit=unit, target=target)


class _Visitor:
    """One connection of one browser."""

    def __init__(self, node: Node, headers: dict[str, str]) -> None:
        self.connection = http.client.HTTPConnection(node.address.removeprefix("http://"))
        self.headers = headers

    def round(self, number: str) -> Iterator[tuple[str, float, int]]:
        """Yield name, seconds to the first byte and size of each page, an order's among them."""
        for path in PLAIN:
            seconds, page = self._get(path)
            yield path, seconds, len(page)
        form = {"csrf": self.headers[CSRF_HEADER], "q": number, "purpose": "bench"}
        self.connection.request(
            "POST",
            "/search",
            urlencode(form),
            {**self.headers, "content-type": "application/x-www-form-urlencoded"},
        )
        answer = self.connection.getresponse()
        answer.read()
        seconds, page = self._get(answer.headers["location"])
        yield "/found", seconds, len(page)
        order = re.search(r'href="(/order\?[^"]+)"', page.decode())
        if order is None:
            raise RuntimeError(f"{number} was not found")
        seconds, page = self._get(unescape(order[1]))
        yield "/order", seconds, len(page)

    def _get(self, path: str) -> tuple[float, bytes]:
        began = time.perf_counter()
        self.connection.request("GET", path, headers=self.headers)
        answer = self.connection.getresponse()
        seconds = time.perf_counter() - began
        page = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"{path}: {answer.status}")
        return seconds, page
