"""Names for what is told without its name: the same for the same thing, meaningless to whoever has no key."""

from __future__ import annotations

import base64
import binascii

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

__all__ = ["HIDDEN", "all_hidden", "hidden", "is_hidden", "shown"]

HIDDEN = "hidden-"
_NOUGHT = bytes(8)
_LETTERS = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz234567", "S1")
_FIVE = np.array([16, 8, 4, 2, 1], np.uint8)


def hidden(number: int, key: bytes) -> str:
    """The name of an item, by its number: one block of AES, so that it is told apart from others and nothing more."""
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    block = encryptor.update(number.to_bytes(8, "big") + _NOUGHT) + encryptor.finalize()
    return HIDDEN + base64.b32encode(block).decode().rstrip("=").lower()


def all_hidden(numbers: NDArray[np.int64], key: bytes) -> list[str]:
    """As `hidden`, of many at once."""
    blocks = np.zeros((len(numbers), 2), ">i8")
    blocks[:, 0] = numbers
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    told = np.frombuffer(encryptor.update(blocks.tobytes()) + encryptor.finalize(), np.uint8).reshape(-1, 16)
    bits = np.pad(np.unpackbits(told, axis=1), ((0, 0), (0, 2))).reshape(-1, 26, 5)
    letters = _LETTERS[bits @ _FIVE]
    return [HIDDEN + one.decode() for one in letters.view("S26").ravel().tolist()]


def shown(name: str, key: bytes) -> int | None:
    """The number that such a name was made of; None: it was made up otherwise."""
    try:
        block = base64.b32decode(name.removeprefix(HIDDEN).upper() + "======")
    except binascii.Error:
        return None
    if len(block) != 16 or not is_hidden(name):
        return None
    decryptor = Cipher(algorithms.AES(key), modes.ECB()).decryptor()
    plain = decryptor.update(block) + decryptor.finalize()
    return int.from_bytes(plain[:8], "big") if plain[8:] == _NOUGHT else None


def is_hidden(name: str) -> bool:
    """Whether a name looks like one of these."""
    return name.startswith(HIDDEN)
