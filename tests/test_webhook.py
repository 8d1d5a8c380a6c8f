"""What is to be known arrives, signed, or it is said within seconds that it did not."""

import hmac
import json
import time
from datetime import timedelta

import pytest

from archiver.errors import WebhookDownError
from archiver.webhook import Patience, Webhook, deliver
from archiver.wiring import SystemClock
from tests.servers.receiver import Receiver

SECRET = b"CanaryWebhookSecret"
BRIEF = Patience(
    attempts=3,
    answer=timedelta(seconds=1),
    first_wait=timedelta(milliseconds=1),
    at_most=timedelta(seconds=3),
)


def send(receiver: Receiver, *bodies: bytes, secret: bytes | None = SECRET) -> int:
    webhook = Webhook(url=receiver.url, secret=secret)
    return deliver(webhook, bodies or (b"{}",), SystemClock(), BRIEF)


def test_a_receiver_can_check_who_sent_it_and_when(receiver: Receiver) -> None:
    assert send(receiver, json.dumps({"outcome": "alarm", "名": "店"}).encode()) == 1
    (got,) = receiver.requests
    timestamp = got.headers["Archiver-Timestamp"]
    assert abs(time.time() - int(timestamp)) < 60
    expected = hmac.new(SECRET, f"{timestamp}.".encode() + got.body, "sha256").hexdigest()
    assert got.headers["Archiver-Signature"] == f"sha256={expected}"
    assert got.headers["Content-Type"] == "application/json"


def test_without_a_secret_nothing_is_signed(receiver: Receiver) -> None:
    send(receiver, secret=None)
    assert "Archiver-Signature" not in receiver.requests[0].headers


@pytest.mark.parametrize("code", [500, 503, 429, 408])
def test_a_server_that_is_busy_is_asked_again(receiver: Receiver, code: int) -> None:
    receiver.answers = [code, code, 204]
    assert send(receiver) == 1
    assert len(receiver.requests) == 3


@pytest.mark.parametrize(("code", "requests"), [(400, 1), (401, 1), (404, 1), (302, 1), (500, 3)])
def test_a_server_that_refuses_is_told(receiver: Receiver, code: int, requests: int) -> None:
    receiver.answers = [code] * 9
    with pytest.raises(WebhookDownError, match=f"HTTP {code}"):
        send(receiver)
    assert len(receiver.requests) == requests


def test_nobody_there_is_told_without_the_address(receiver: Receiver) -> None:
    receiver.close()
    with pytest.raises(WebhookDownError, match="ConnectionRefusedError") as told:
        send(receiver)
    assert "Canary" not in str(told.value) + repr(Webhook(url=receiver.url, secret=SECRET))


@pytest.mark.parametrize("seconds", [0.2, 60])
def test_a_server_that_dawdles_is_not_waited_for(receiver: Receiver, seconds: float) -> None:
    receiver.seconds_a_byte = seconds
    with pytest.raises(WebhookDownError):
        send(receiver)


def test_what_arrived_before_the_failure_is_counted(receiver: Receiver) -> None:
    receiver.answers = [200, 400]
    assert send(receiver, b"1", b"2", b"3") == 1
    assert [got.body for got in receiver.requests] == [b"1", b"2"]


def test_nothing_to_send_is_no_request(receiver: Receiver) -> None:
    assert deliver(Webhook(url=receiver.url), [], SystemClock(), BRIEF) == 0
    assert receiver.requests == []
