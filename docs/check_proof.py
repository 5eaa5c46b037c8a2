"""Check a proof that `gemel proof` wrote, without Gemel: python check_proof.py proof.json [public key …]

Prints what is proven. The keys that you know of the parties belong behind the file: without them only the keys that the
file itself names are used, and the answer says so. Exit code 1 if anything does not hold.
"""

# ruff: noqa: T201
import base64
import hashlib
import json
import struct
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def climb(leaf: bytes, index: int, count: int, path: list[str]) -> bytes:
    """From a leaf up to the root (RFC 9162, section 2.1.3.2)."""
    last, node, rest = count - 1, leaf, [bytes.fromhex(one) for one in path]
    assert 0 <= index < count, "the place is not in the tree"
    while last:
        if index & 1 or index < last:
            sibling = rest.pop(0)
            node = sha(b"\x01" + (sibling + node if index & 1 else node + sibling))
        index, last = index >> 1, last >> 1
    assert not rest, "the path is too long"
    return node


def signer(text: str, line: str, keys: list[str]) -> str:
    """What one signature says, if it is right for one of the keys."""
    _, name, data = line.split(" ")
    raw = base64.b64decode(data)
    for key in keys:
        owner, _, encoded = key.split("+", 2)
        public = base64.b64decode(encoded)[1:]
        for kind, length, skip in ((1, 68, 4), (4, 76, 12)):
            known = sha(owner.encode() + b"\n" + bytes([kind]) + public)[:4]
            if owner == name and raw[:4] == known and len(raw) == length:
                time = struct.unpack(">Q", raw[4:12])[0]
                message = text if kind == 1 else f"cosignature/v1\ntime {time}\n{text}"
                Ed25519PublicKey.from_public_bytes(public).verify(raw[skip:], message.encode())
                return f"signed by {name}" if kind == 1 else f"countersigned by {name} at {time} (seconds, UTC)"
    return ""


def main(file: str, *known: str) -> None:
    proof = json.loads(Path(file).read_text("utf-8"))
    leaf, block, tree = proof["leaf"], proof["block"], proof["tree"]
    data = base64.b64decode(leaf["data"])
    root = climb(sha(b"\x00" + bytes.fromhex(leaf["salt"]) + data), leaf["index"], leaf["leaves"], leaf["path"])
    assert root.hex() == block["root"], "the record is not in the block"
    numbers = struct.pack(">QQQq", *(block[name] for name in ("sequence", "first", "count", "recorded")))
    own = sha(b"gemel.block.1\x00" + bytes.fromhex(block["previous"]) + numbers + root)
    assert tree["index"] == block["sequence"] - 1, "the block stands elsewhere"
    top = climb(sha(b"\x00" + own), tree["index"], tree["size"], tree["path"])
    text, _, signatures = proof["head"].rpartition("\n\n")
    text += "\n"
    origin, size, encoded = text.split("\n")[:3]
    assert (int(size), base64.b64decode(encoded)) == (tree["size"], top), "the block is not in what was signed"
    said = [one for line in signatures.splitlines() if (one := signer(text, line, list(known) or proof["keys"]))]
    assert any(one.startswith("countersigned") for one in said), "nobody whose key is known countersigned it"
    print(f"{origin}: {'; '.join(said)}{'' if known else ' (keys as the file names them)'}")
    if data[:1] == b"C":
        print(data[1:].decode())
        return
    form, series, count = struct.unpack_from("<BqI", data, 1)
    print(f"{proof['about']} (series {series}), recorded at {block['recorded']} (microseconds, UTC):")
    for at in range(count):
        time, value, ordinal, quality, valid = struct.unpack_from("<q8sIBB", data, 14 + 22 * at)
        number = struct.unpack("<d" if form == 0 else "<q", value)[0]
        print(f"position {block['first'] + ordinal}  time {time}  value {number if valid else None}  quality {quality}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (AssertionError, InvalidSignature, ValueError, KeyError, IndexError, struct.error) as error:
        sys.exit(f"It does not hold: {error or type(error).__name__}")
