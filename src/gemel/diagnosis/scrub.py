"""Taking what may be secret out of text and values that leave the house."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["scrubbed", "scrubbed_text"]

HIDDEN = "…"
_NAMES = re.compile(
    r"pass(word|wd|phrase)?$|secret|token|authorization|cookie|credential|private|api_?key|^key$|claim|salt",
    re.IGNORECASE,
)
_REFERENCES = {"env", "file", "keyring"}
_TEXTS = (
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/@'\"]*@"), rf"\1{HIDDEN}@"),
    # Tokens, but not names of metrics: 256 random bits have a capital or a digit.
    (re.compile(r"\bgemel_(?=[a-z_]*[A-Z0-9-])[A-Za-z0-9_-]{20,}"), HIDDEN),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), HIDDEN),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), HIDDEN),
    (re.compile(r"/setup#\S+"), f"/setup#{HIDDEN}"),
    (
        re.compile(
            r"(?i)(['\"]?\b[\w.-]*(?:password|passwd|passphrase|secret|token|api_?key|claim)[\w.-]*['\"]?\s*[=:]\s*)"
            r"(\"[^\"]*\"|'[^']*'|[^\s,;&}]+)"
        ),
        rf"\1{HIDDEN}",
    ),
)


def scrubbed_text(text: str) -> str:
    """Without passwords in addresses, tokens, keys, and what is called a password or a secret."""
    for pattern, instead in _TEXTS:
        text = pattern.sub(instead, text)
    return text


def scrubbed(value: Any) -> Any:
    """Plain data of which every value with a secret's name is hidden; references to secrets stay, for they are none."""
    if isinstance(value, Mapping):
        return {str(key): _field(str(key), one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [scrubbed(one) for one in value]
    return scrubbed_text(value) if isinstance(value, str) else value


def _field(name: str, value: Any) -> Any:
    if isinstance(value, Mapping) and value and set(value) <= _REFERENCES:
        return dict(value)
    if _NAMES.search(name) and not isinstance(value, bool | int | float | None.__class__):
        return HIDDEN if value else value
    return scrubbed(value)
