"""Verify the proof of one archived order with nothing but Python and `cryptography`.

    python verify_proof.py PROOF [--anchor archive.json] [--witness VKEY] [--authority CA.pem]

What is shown is what is proven 所示即所证: fields are encoded anew and hashed (FORMAT.md 5).
Exit codes 退出码: 0 proven 有效, 1 refused 无效, 2 not tried 未能验证.
"""

import argparse
import base64
import hashlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def leaves(text: str) -> dict[str, Any]:
    """Return leaves by name: s text, b bool, i4 and i8 int, t time, d money, x16 bytes, lists."""
    named = re.findall(r"([a-z_.]+)(?:\[([^]]+)\]|:(\w+))?", text)
    return {name: leaves(inner) if inner else kind or "s" for name, inner, kind in named}


PARTS = {
    "transaction": leaves("""archive source order_id revision:i4 first_seen_at:t outcome
source_status seller.merchant_id seller.name seller.sub_site seller.promoter seller.own:b product.id
product.name product.category product.description product.kind product.sku quantity:i8
money.unit_price:d money.discount:d money.coupon_discount:d money.coupon money.fees:d
money.cost_price:d money.shares:d money.total:d money.paid:d money.currency created_at:t
created_basis paid_at:t paid_basis delivered_at:t delivered_basis completed_at:t completed_basis
closed_at:t closed_basis payments[method channel provider_no aggregator_no merchant_no amount:d
callback_at:t state] deliveries[kind target hint card_token:x16 card_id reusable:b placeholder:b
supplier_ref downstream_ref mail_state] after_sales[requested_at:t decided_at:t paid_at:t amount:d
route number operator] events[at:t kind actor] extra[name value] mapping_digest completion_rule"""),
    "buyer": leaves("""buyer.account buyer.contact buyer.guest:b buyer.minor:b buyer.client_ip
buyer.client_port:i4 buyer.device"""),
    "secret": leaves("deliveries[secret] after_sales[note] events[note]"),
}


def require(holds: object, why: str) -> None:
    """Refuse what does not hold."""
    if not holds:
        raise ValueError(why)


def values_of(value: Any, names: str) -> list[Any]:
    """Return the values of an object that has these names in this order and no other."""
    require(isinstance(value, dict) and " ".join(value) == names, "other fields · 字段不符")
    return list(value.values())


def raw(text: str, size: int | None = 32) -> bytes:
    """Return bytes from the one form of their text: hexadecimal, or base64 where no size is due."""
    found = bytes.fromhex(text) if size else base64.b64decode(text)
    written = found.hex() if size else base64.b64encode(found).decode()
    require(written == text and size in (len(found), None), "odd bytes · 字节格式有误")
    return found


def sha256(*pieces: bytes) -> bytes:
    """Return the SHA-256 of joined bytes."""
    return hashlib.sha256(b"".join(pieces)).digest()


def canonical(kinds: dict[str, Any], fields: Any) -> bytes:
    """Return the canonical bytes of fields (FORMAT.md 5), each of which has one form only."""
    block = behind = b""
    for kind, value in zip(kinds.values(), values_of(fields, " ".join(kinds)), strict=True):
        if isinstance(kind, dict):
            require(value is None or isinstance(value, list), "not a list · 不是列表")
            inner = b"".join(canonical(kind, one) for one in value or ())
            block += b"\xff" * 4 if value is None else len(value).to_bytes(4, "big")
            block, behind = block + len(inner).to_bytes(4, "big"), behind + inner
        elif kind == "s":
            block += b"\xff" * 4 if value is None else len(value.encode()).to_bytes(4, "big")
            behind += b"" if value is None else value.encode()
        else:
            width = {"b": 1, "i4": 4, "x16": 16}.get(kind, 8)
            block += bytes(1 + width) if value is None else b"\x01" + fixed(kind, value, width)
    return block + behind


def fixed(kind: str, value: Any, width: int) -> bytes:
    """Return a value of fixed width."""
    if kind == "x16":
        return raw(value, width)
    if kind == "t":
        at = datetime.fromisoformat(value)
        require(at.isoformat() == value and value[-6:] == "+00:00", "odd time · 时间有误")
        value = (at - EPOCH) // timedelta(microseconds=1)
    elif kind == "d":
        form = r"(?!-0\.00)-?(0|[1-9][0-9]*)\.[0-9]{2}"
        require(re.fullmatch(form, value), "odd amount · 金额有误")
        value = int(value.replace(".", ""))
    require(type(value) is (bool if kind == "b" else int), "not a number · 不是数字")
    return int(value).to_bytes(width, "big", signed=kind != "b")


def commitment(name: str, part: Any) -> bytes:
    """Return what the leaf holds of a part: computed if it is shown, taken if it is withheld."""
    if list(part) == ["commitment"]:
        return raw(part["commitment"])
    salt, fields = values_of(part, "salt fields")
    return sha256(b"\x02", raw(salt, 16), canonical(PARTS[name], fields))


def tree_root(node: bytes, index: Any, size: int, path: Any) -> bytes:
    """Return the root to which a leaf's hash and its path lead (RFC 6962, 2.1.1)."""
    fits = 0 <= index < size and bool(path) == (size > 1)
    require(type(index) is int and fits, "the path does not fit · 路径不符")
    if not path:
        return node
    *path, beside = path
    split = 1 << (size - 1).bit_length() - 1
    if index < split:
        return sha256(b"\x01", tree_root(node, index, split, path), raw(beside))
    return sha256(b"\x01", raw(beside), tree_root(node, index - split, size - split, path))


def opened(envelope: str, kind: str, keys: dict[str, bytes] | None) -> Any:
    """Return the document in a DSSE envelope that one of these keys, or its own, has signed."""
    outer = json.loads(envelope)
    require(json.dumps(outer, indent=1) + "\n" == envelope, "not an envelope · 信封格式有误")
    name, payload, (signature,) = values_of(outer, "payloadType payload signatures")
    signer, signed = values_of(signature, "keyid sig")
    content = raw(payload, None)
    document = json.loads(content)
    keys = keys if keys is not None else {"identity": raw(document["identity_public_key"])}
    fits = signer in keys and name == f"application/vnd.order-archive.{kind}.v1+json"
    require(fits, "signed by nobody certified · 签名者未经认证")
    message = b"DSSEv1 %d %b %d %b" % (len(name), name.encode(), len(content), content)
    ed25519.Ed25519PublicKey.from_public_bytes(keys[signer]).verify(raw(signed, None), message)
    return document


def signed_at(line: str, name: str, key: bytes, body: str) -> int | None:
    """Return when a key, its kind in front, signed a note (C2SP): 0 as kind 1; None: it did not."""
    signature = raw(line.removeprefix(f"— {name} "), None)
    if not line.startswith("— ") or signature[:4] != sha256(name.encode(), b"\n", key)[:4]:
        return None
    at = int.from_bytes(signature[4:-64], "big")
    message = f"cosignature/v1\ntime {at}\n{body}" if key[0] == 4 else body
    ed25519.Ed25519PublicKey.from_public_bytes(key[1:]).verify(signature[-64:], message.encode())
    return at


def elements(data: bytes, *places: int) -> list[tuple[bytes, bytes]]:
    """Return the elements of DER, or of what stands at a place in it: each whole, and inside."""
    found = []
    while data:
        start = 2 + (data[1] & 127 if data[1] > 127 else 0)
        end = start + (int.from_bytes(data[2:start], "big") if start > 2 else data[1])
        found.append((data[:end], data[start:end]))
        data = data[end:]
    return elements(found[places[0]][1], *places[1:]) if places else found


def stamped_at(stamp: Any, message: bytes) -> tuple[x509.Certificate, str]:
    """Return the root of the authority that stamped a message, and when (RFC 3161, 5816)."""
    token, certified = values_of(stamp, "token certificates")
    signed = elements(raw(token, None), 0, 1, 1)[0][1]
    info, content = elements(signed, -1, 0), elements(signed, 2, 1)[0][1]
    pairs = [elements(pair) for _, pair in elements(info[3][1])]
    attributes = {name.hex(): value for (_, name), (_, value) in pairs}
    facts, digest = elements(content, 0), elements(attributes["2a864886f70d010904"])[0][1]
    for stated, of in ((elements(facts[2][1])[1][1], message), (digest, content)):
        same = hashlib.new(f"sha{8 * len(stated)}", of).digest() == stated
        require(same, "the stamp is of something else · 时间戳不符")
    chain = [x509.load_der_x509_certificate(raw(one, None)) for one in certified]
    uses = chain[0].extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    told = attributes.get("2a864886f70d010910022f") or attributes["2a864886f70d010910020c"]
    named = any(chain[0].fingerprint(one()) in told for one in (hashes.SHA256, hashes.SHA1))
    named = named and [one.dotted_string for one in uses] == ["1.3.6.1.5.5.7.3.8"]
    require(named, "no authority has signed the stamp · 时间戳签名者不符")
    key: Any = chain[0].public_key()
    sha = {32: hashes.SHA256(), 48: hashes.SHA384(), 64: hashes.SHA512()}[len(digest)]
    how = (padding.PKCS1v15(), sha) if isinstance(key, rsa.RSAPublicKey) else (ec.ECDSA(sha),)
    # The attributes are signed as a SET, as which they do not stand in the token.
    key.verify(info[5][1], b"\x31" + info[3][0][1:], *how)
    at = datetime.strptime(f"{facts[4][1][:14].decode()}+0000", "%Y%m%d%H%M%S%z")
    for one, issuer in zip(chain, [*chain[1:], chain[-1]], strict=True):
        one.verify_directly_issued_by(issuer)
        basic = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        valid = basic.ca and one.not_valid_before_utc <= at <= one.not_valid_after_utc
        require(valid, "a certificate was not valid then · 证书当时无效")
    return chain[-1], at.isoformat()


def shown(name: str, value: Any) -> Iterator[str]:
    """Yield a line for each value that is there."""
    value = dict(enumerate(value, 1)) if isinstance(value, list) else value
    if isinstance(value, dict):
        for below, one in value.items():
            yield from shown(f"{name}.{below}" if name else below, one)
    elif value is not None:
        yield f"  {name} = {json.dumps(value, ensure_ascii=False)}"


def verify(content: bytes, anchor: Any, witnesses: Sequence[str], roots: Any) -> Iterator[str]:
    """Yield what a proof proves; raises whatever it meets. All but `content` is from elsewhere."""
    text = content.decode()
    proof, whole = json.loads(text), text.rpartition(",\n")[0]
    same = json.dumps(proof, ensure_ascii=False, indent=1) + "\n" == text
    require(same and proof["sha256"] == sha256(whole.encode()).hex(), "it is damaged · 文件已损坏")
    names = "proof order partition manifest ledger signers archive witnesses timestamps sha256"
    kind, order, place, sealed, ledger, certified, archive, *seen = values_of(proof, names)
    # Who: the identity key certifies signers, which sign manifests and checkpoints.
    trusted, keys = opened(archive, "archive", None), {}
    for name in ("archive", "identity_public_key"):
        require((anchor or trusted)[name] == trusted[name], "not of --anchor · 与 --anchor 不符")
    for one in certified:
        signer = opened(one, "signer", {"identity": raw(trusted["identity_public_key"])})
        require(signer["archive"] == trusted["archive"], "a foreign signer · 签名者不属于此档案库")
        keys[f"{signer['number']:04d}"] = raw(signer["public_key"])
    manifest = opened(sealed, "manifest", keys)
    # What: the fields give the leaf, the leaf the partition's root, which the manifest states.
    salt, fields = values_of(values_of(order, " ".join(PARTS))[0], "salt fields")
    encoded = canonical(PARTS["transaction"], fields)
    committed = [commitment(name, order[name]) for name in ("buyer", "secret")]
    leaf = sha256(b"\x00", raw(salt, 16), b"ORDER_V1", encoded, *committed)
    key, row, path = values_of(place, "key row path")
    (named,) = (one for one in manifest["objects"] if (one["kind"], one["key"]) == ("orders", key))
    same = tree_root(leaf, row, named["rows"], path).hex() == named["merkle_root"]
    same = same and fields["archive"] == manifest["archive"] == trusted["archive"]
    require(same, "the order is not the sealed one · 订单与封存的不符")
    # When: the manifest is an entry of the ledger, whose root the checkpoint states.
    entry, path, note = values_of(ledger, "entry path checkpoint")
    about, name = json.loads(entry), f"order-archive/{trusted['archive']}"
    body, _, line = note.partition("\n\n")
    origin, size, stated = body.split("\n")
    root = tree_root(sha256(b"\x00", entry.encode()), about["number"], int(size), path)
    same = (root, origin, line[-1:]) == (raw(stated, None), name, "\n") and kind == "order-proof/1"
    same = same and about["sha256"] == sha256(sealed.encode()).hex()
    signed = [signed_at(line[:-1], name, b"\x01" + one, f"{body}\n") for one in keys.values()]
    require(same and 0 in signed, "the ledger lacks the manifest · 账本中没有该清单")
    saw: dict[str, Any] = {}
    for one in seen[0]:
        verifier, cosignature = values_of(one, "key cosignature")
        witness, known_as, public = verifier.split("+", 2)
        named = raw(known_as, 4) == sha256(witness.encode(), b"\n", raw(public, None))[:4]
        saw[verifier] = named and signed_at(cosignature, witness, raw(public, None), f"{body}\n")
    stamped = [stamped_at(one, note.encode()) for one in seen[1]]
    require(all(saw.values()) and set(witnesses) <= set(saw), "no cosignature · 缺少见证者签名")
    require(not roots or any(s[0] in roots for s in stamped), "no stamp by --authority · 无时间戳")
    unknown, equal = " — NOT compared with a copy from elsewhere 未与独立来源核对", " ✓"
    identity = sha256(raw(trusted["identity_public_key"])).hex()
    yield f"PROVEN 证明有效: archive 档案库 {trusted['archive']} {trusted['name']}"
    yield f"identity key 身份密钥 SHA-256: {identity}{equal if anchor else unknown}"
    yield f"sealed 封存: {manifest['created_at']}, manifest 清单 {manifest['number']}"
    for part, values in order.items():
        withheld = f" — withheld 未出示: {', '.join(PARTS[part])}"
        yield part + (withheld if "commitment" in values else "")
        yield from shown("", values.get("fields"))
    yield f"ledger 账本: {about['number']} / {size}, {about['at']}"
    for key, at in saw.items():
        when = (EPOCH + timedelta(seconds=at)).isoformat()
        yield f"witnessed 见证: {when} {key}{equal if key in witnesses else unknown}"
    for by, when in stamped:
        who = f"{by.subject.rfc4514_string()}, SHA-256 {by.fingerprint(hashes.SHA256()).hex()}"
        yield f"time stamp 时间戳: {when} {who}{equal if by in roots else unknown}"
    if not saw and not stamped:
        yield "NOBODY outside has seen it: times are its own word · 无外部见证或时间戳，时间为自述"


def main() -> int:
    """Verify the file that the command line names."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("proof", type=Path)
    parser.add_argument("--anchor", type=Path, help="archive.json from elsewhere 另行取得的信任锚")
    parser.add_argument("--witness", action="append", default=[], help="verifier key 见证者公钥")
    parser.add_argument("--authority", type=Path, help="its root, PEM 时间戳机构根证书")
    asked, said = parser.parse_args(), "NOT TRIED 未能验证"
    files = asked.proof, asked.anchor, asked.authority
    try:
        proof, anchor, roots = (one.read_bytes() if one else b"" for one in files)
        known = opened(anchor.decode(), "archive", None) if anchor else None
        trusted = x509.load_pem_x509_certificates(roots) if roots else []
        said = "REFUSED 证明无效"
        for line in list(verify(proof, known, asked.witness, trusted)):
            print("".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in line))
    except Exception as error:
        print(f"{said}: {error or type(error).__name__}", file=sys.stderr)
        return 1 if said[0] == "R" else 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
