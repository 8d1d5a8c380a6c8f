"""The service speaks TLS by files, or says at its start what is wrong with them."""

import signal
import socket
import ssl
import time
from datetime import timedelta

import httpx
import pyotp
import pytest

from archiver.desk import Desk
from archiver.policy import Role
from archiver.wiring import Installation
from tests.cli.conftest import Terminal
from tests.operators.people import CHEAP, PASSWORD
from tests.servers.certificates import Shown, self_signed
from tests.service.nodes import serving


def configured(terminal: Terminal, shown: Shown) -> None:
    """Let the service speak TLS with these files."""
    section = f'tls_certificate = "{shown.certificate}"\ntls_key = "{shown.key}"\n'
    terminal.configure(("[store]", f"[service]\n{section}[store]"))


def hello(address: str, context: ssl.SSLContext) -> tuple[str, str]:
    """Shake hands; return version and cipher."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    with (
        socket.create_connection((host, int(port)), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=host) as wire,
    ):
        cipher = wire.cipher()
        assert cipher is not None
        return str(wire.version()), cipher[0]


@pytest.mark.server
@pytest.mark.allow_hosts(["127.0.0.1"])
@pytest.mark.usefixtures("_no_proxy")
def test_operators_are_answered_over_tls_and_nobody_in_the_open(
    founded: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Desk, "costs", CHEAP)
    shown = self_signed(founded.folder)
    configured(founded, shown)
    root = Desk.at(Installation.load(founded.config)).owners_register()
    made = root.add("root", Role.ADMINISTRATOR, PASSWORD, by=None)
    trusting = ssl.create_default_context(cafile=shown.certificate)
    with serving(founded.config) as node:
        assert node.address.startswith("https://127.0.0.1:")
        with httpx.Client(verify=trusting, base_url=node.address) as client:
            assert client.get("/v1/health").status_code == 200
            code = pyotp.TOTP(made.secret).at(time.time())
            body = {"name": "root", "password": PASSWORD, "code": code}
            begun = client.post("/v1/session", json=body)
            assert begun.status_code == 201, begun.text
            assert "strict-transport-security" in begun.headers
            # The browser's own rule for `__Host-`: it takes and sends it back over TLS only.
            assert client.get("/v1/session").json()["operator"] == "root"
        with pytest.raises(httpx.TransportError):
            httpx.get(node.address.replace("https:", "http:") + "/v1/health")
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"{node.address}/v1/health", verify=ssl.create_default_context())

        assert hello(node.address, trusting)[0] == "TLSv1.3"
        older = ssl.create_default_context(cafile=shown.certificate)
        older.maximum_version = ssl.TLSVersion.TLSv1_2
        version, cipher = hello(node.address, older)
        assert version == "TLSv1.2"
        assert cipher.startswith("ECDHE-")
        assert "GCM" in cipher or "CHACHA20" in cipher
        older.set_ciphers("ECDHE+AES+SHA1:@SECLEVEL=0")
        with pytest.raises(ssl.SSLError):
            hello(node.address, older)
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(60) == 0


def test_files_that_tls_cannot_be_spoken_with_are_refused_at_the_start(founded: Terminal) -> None:
    folder = founded.folder
    sound = self_signed(folder)
    over = self_signed(folder, "over", begins=timedelta(days=-40))
    early = self_signed(folder, "early", begins=timedelta(days=1))
    locked = self_signed(folder, "locked", passphrase=b"canary")
    junk = folder / "junk.pem"
    junk.write_text("-----BEGIN CERTIFICATE-----\nCanaryJunk\n-----END CERTIFICATE-----\n")
    junk.chmod(0o600)
    opened = self_signed(folder, "opened")
    opened.key.chmod(0o644)
    cases = [
        (sound.certificate, folder / "gone.key", "gone.key: No such file"),
        (folder / "gone.pem", sound.key, "gone.pem: No such file"),
        (sound.certificate, over.key, f"is not the key of {sound.certificate}"),
        (over.certificate, over.key, "not now"),
        (early.certificate, early.key, "not now"),
        (locked.certificate, locked.key, "under a passphrase"),
        (junk, sound.key, "no certificate"),
        (sound.certificate, junk, "no private key"),
        (sound.key, sound.key, "no certificate"),
        (opened.certificate, opened.key, "chmod o="),
        (folder, sound.key, "Is a directory"),
    ]
    for certificate, key, said in cases:
        configured(founded, Shown(certificate=certificate, key=key))
        ran = founded.json("serve", "--port", "0")
        assert (ran.exit, ran.codes) == (2, ["configuration"]), said
        message = ran.document["alarms"][0]["message"]
        assert said in message
        assert "tls_" in message
        assert "anary" not in message
    configured(founded, over)
    told = founded.archiver("serve", "--port", "0", lang="zh_CN.UTF-8")
    assert "现在无效" in "".join(told.err.split())
