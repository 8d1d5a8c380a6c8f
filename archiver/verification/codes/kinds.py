"""What a code is made of: how grave it is, which articles are at risk, what to do next. Pure."""

from dataclasses import dataclass
from typing import Final, Literal

from archiver.errors import Said

Severity = Literal["alarm", "warning", "note"]

INTEGRITY: Final = Said(
    "E-Commerce Law Art. 31 (integrity), 62", "《电子商务法》第三十一条（完整性）、第六十二条"
)
AVAILABILITY: Final = Said(
    "E-Commerce Law Art. 31 (availability), 62", "《电子商务法》第三十一条（可用性）、第六十二条"
)
CONFIDENTIALITY: Final = Said(
    "E-Commerce Law Art. 31 (confidentiality); PIPL Art. 51",
    "《电子商务法》第三十一条（保密性）；《个人信息保护法》第五十一条",
)
PERIOD: Final = Said(
    "E-Commerce Law Art. 31 (three years)", "《电子商务法》第三十一条（不少于三年）"
)
SHORTEST: Final = Said("PIPL Arts. 19, 47", "《个人信息保护法》第十九条、第四十七条")
SIGNED: Final = Said("E-Signature Law Arts. 5, 8", "《电子签名法》第五条、第八条")
LOGS: Final = Said("Cybersecurity Law Art. 23", "《网络安全法》第二十三条")

FULL: Final = "archiver verify --full"
COPY: Final = "archiver verify --offline COPY"
"""Is it whole in a copy?"""
PROVE: Final = "archiver prove-lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a code means."""

    severity: Severity
    article: Said
    """At risk."""
    en: str
    zh: str
    next: str = ""


def alarm(article: Said, en: str, zh: str, following: str = FULL) -> Kind:
    """Something sealed is changed, hidden or lost, or can be."""
    return Kind(severity="alarm", article=article, en=en, zh=zh, next=following)


def warning(article: Said, en: str, zh: str, following: str = "") -> Kind:
    """It will bite one day."""
    return Kind(severity="warning", article=article, en=en, zh=zh, next=following)


def note(article: Said, en: str, zh: str, following: str = "") -> Kind:
    """Good to know."""
    return Kind(severity="note", article=article, en=en, zh=zh, next=following)
