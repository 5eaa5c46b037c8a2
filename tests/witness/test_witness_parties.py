"""Two parties hold each other to their record: two real servers, and what happens to the record of one of them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from msgspec import structs

import gemel
from gemel.backup import Vault, restore
from gemel.clock import SECOND
from gemel.diagnosis import Level, platform_message
from gemel.errors import Conflict, InvalidInput, NotFound, NotYet
from gemel.witness import Head, Note, Offer, Verdict
from tests.witness.conftest import Pair, copied, rewrite

READER = Path(__file__).parents[2] / "docs" / "check_proof.py"


def standing(pair: Pair) -> dict[str, str]:
    """How Bolt sees Acme."""
    return pair.b.looks()


def wrong(pair: Pair) -> list[str]:
    return [one.verdict for one in pair.b.platform.witness.book.open()]


def test_each_holds_the_other_to_what_it_told(pair: Pair) -> None:
    assert pair.b.looks() == {"acme.example/shop": "well"}
    assert pair.a.looks() == {"bolt.example/works": "well"}
    (seen,) = pair.b.platform.witness.standing()
    (held,) = pair.a.platform.witness.standing()
    assert set(seen.held) == set(held.holds) == {"journal", "audit"}
    assert held.holds["journal"].position == seen.held["journal"].position > 3
    kept = pair.a.platform.witness.book.last("acme.example/shop", "journal", "bolt.example/works")
    assert kept is not None
    note = Note.parse(kept.note)
    assert note.signed_by(pair.a.platform.witness.keys.public), "both signatures are on what is kept"
    assert note.countersigned_by(pair.b.platform.witness.keys.public)
    assert not note.countersigned_by(pair.a.platform.witness.keys.public)
    assert pair.a.platform.verify().witnessed == held.holds["journal"].position


def test_growth_is_countersigned_and_kept_over_a_restart(pair: Pair) -> None:
    for _ in range(3):
        pair.a.works(5)
        assert set(standing(pair).values()) == {"well"}
    before = pair.b.platform.witness.standing()[0].held
    pair.b.again()
    assert pair.b.platform.witness.standing()[0].held == before
    pair.a.works(300)  # more than one tile of the tree
    assert set(standing(pair).values()) == {"well"}
    assert pair.b.platform.witness.standing()[0].held["journal"].size > 300
    pair.a.looks()
    assert all(one.ok and one.heads for one in pair.a.platform.verify_witnessed())


def test_a_past_that_is_changed_with_all_its_hashes_is_found(pair: Pair) -> None:
    pair.a.works(10)
    standing(pair), pair.a.looks()
    pair.a.stop()
    rewrite(pair.a.folder, 6)
    pair.a.start()
    assert pair.a.platform.journal.verify().damaged is not None, "its own witnesses find it, too"
    pair.a.works()
    assert standing(pair) == {"acme.example/shop": "fault"}
    assert wrong(pair) == [Verdict.CHANGED]
    (found,) = pair.b.platform.witness.book.open()
    assert "its past was changed" in found.told
    evidence = Note.parse(found.note)
    assert evidence.signed_by(pair.a.platform.witness.keys.public), "what it told instead is kept, signed by itself"
    assert not evidence.countersigned_by(pair.b.platform.witness.keys.public)
    held = pair.b.platform.witness.standing()[0].held["journal"].size
    pair.a.works()
    standing(pair)
    assert pair.b.platform.witness.standing()[0].held["journal"].size == held, "nothing after it is countersigned"
    assert wrong(pair) == [Verdict.CHANGED], "it is told once"
    assert not next(one for one in pair.a.platform.verify_witnessed() if one.log == "journal").ok


def test_a_record_that_is_rolled_back_is_found_by_both(pair: Pair, tmp_path: Path) -> None:
    pair.a.stop()
    old = copied(pair.a.folder, tmp_path / "old")
    pair.a.start()
    pair.a.works(10)
    standing(pair)
    pair.a.stop()
    shutil.rmtree(pair.a.folder)
    copied(old, pair.a.folder)
    pair.a.start()
    assert standing(pair) == {"acme.example/shop": "fault"}
    assert Verdict.ROLLED_BACK in wrong(pair)
    assert pair.a.looks() == {"bolt.example/works": "fault"}
    (seen,) = pair.a.platform.witness.standing()
    assert any("is gone, and nothing tells of a restore" in said for said in seen.said)
    checks = pair.a.platform.health.look()
    assert any(one.level is Level.BAD and one.part == "witness bolt.example/works" for one in checks)


def test_a_rolled_back_record_that_grew_past_its_old_length_is_a_changed_one(pair: Pair, tmp_path: Path) -> None:
    pair.a.stop()
    old = copied(pair.a.folder, tmp_path / "old")
    pair.a.start()
    pair.a.works(4)
    standing(pair)
    pair.a.stop()
    shutil.rmtree(pair.a.folder)
    copied(old, pair.a.folder)
    pair.a.start()
    pair.a.works(30)
    standing(pair)
    assert Verdict.CHANGED in wrong(pair)
    (found,) = [one for one in pair.b.platform.witness.book.open() if one.log == "journal"]
    assert "it agrees with us up to" in found.told


def test_a_restore_is_told_and_not_hidden_and_can_be_accepted(pair: Pair, tmp_path: Path) -> None:
    standing(pair)
    pair.a.platform.backup(tmp_path / "vault")
    pair.a.works(10)
    standing(pair), pair.a.looks()
    pair.a.stop()
    secrets = copied(pair.a.folder / "secrets", tmp_path / "secrets")
    shutil.rmtree(pair.a.folder)
    restore(Vault(tmp_path / "vault"), pair.a.folder)
    copied(secrets, pair.a.folder / "secrets")
    pair.a.start()
    pair.a.works()
    assert standing(pair) == {"acme.example/shop": "restored"}
    found = [one for one in pair.b.platform.witness.book.open() if one.log == "journal"]
    assert [one.verdict for one in found] == [Verdict.RESTORED]
    assert "was restored from a backup" in found[0].told
    assert Note.parse(found[0].note).countersigned_by(pair.b.platform.witness.keys.public), "the new life is held, too"
    told = platform_message((), pair.b.platform.storage.standing(), 0, peers=pair.b.platform.witness.standing())
    (record,) = [one.value for one in told.readings if one.property == "record"]
    assert (record["level"], record["code"]) == ("warning", "acme.example/shop")
    pair.b.platform.witness.accept("acme.example/shop", reason="its disk was replaced", actor="user-b")
    pair.a.works()
    assert standing(pair) == {"acme.example/shop": "well"}
    with pytest.raises(Conflict, match="nothing is wrong"):
        pair.b.platform.witness.accept("acme.example/shop", reason="again")


def test_two_stories_at_one_length_are_a_fork(pair: Pair, tmp_path: Path) -> None:
    pair.a.stop()
    old = copied(pair.a.folder, tmp_path / "old")
    pair.a.start()
    position = pair.a.works(5)
    standing(pair)
    size = pair.a.platform.journal.head().sequence
    pair.a.stop()
    shutil.rmtree(pair.a.folder)
    copied(old, pair.a.folder)
    pair.a.start()
    while pair.a.platform.journal.head().sequence < size:
        pair.a.platform.write("press-7", "count", position)
    standing(pair)
    found = {one.log: one.verdict for one in pair.b.platform.witness.book.open()}
    assert found["journal"] in (Verdict.FORKED, Verdict.CHANGED)  # one more block may have come by itself


def test_a_line_that_is_cut_is_told_after_a_while_and_mends_by_itself(pair: Pair) -> None:
    standing(pair)
    pair.a.stop()
    assert standing(pair) == {"acme.example/shop": "well"}, "one look that fails is no matter"
    (seen,) = pair.b.platform.witness.standing()
    assert "cannot be reached" in seen.error
    pair.b.platform.witness._pairs["acme.example/shop"].checked = pair.b.platform.clock.now() - 4 * 3_600 * SECOND
    assert standing(pair) == {"acme.example/shop": "unreachable"}
    checks = [one for one in pair.b.platform.health.look() if one.part == "witness acme.example/shop"]
    assert [one.level for one in checks] == [Level.WARN]
    pair.a.start()
    pair.a.works()
    assert standing(pair) == {"acme.example/shop": "well"}


def test_the_old_key_names_the_new_one_and_another_key_is_not_believed(pair: Pair) -> None:
    standing(pair)
    pinned = pair.a.key
    pair.a.platform.witness.rotate(actor="user-a")
    pair.a.platform.witness.rotate(actor="user-a")
    pair.a.works()
    assert pair.a.key != pinned
    assert standing(pair) == {"acme.example/shop": "well"}
    held = pair.b.platform.witness.standing()[0].held["journal"]
    pair.a.again()
    pair.a.works()
    assert standing(pair) == {"acme.example/shop": "well"}
    assert pair.b.platform.witness.standing()[0].held["journal"].position > held.position
    pair.a.stop()
    for name in ("witness.pem", "witness.json"):
        (pair.a.folder / "secrets" / "authority" / name).unlink()
    pair.a.start()
    assert standing(pair) == {"acme.example/shop": "fault"}
    assert set(wrong(pair)) == {Verdict.STRANGE_KEY}


def test_a_token_of_a_witness_sees_heads_and_nothing_else(pair: Pair) -> None:
    secret = pair.a.token()
    with httpx.Client(base_url=f"{pair.a.server.url}/api/v1", headers={"Authorization": f"Bearer {secret}"}) as client:
        told = client.get("/witness/heads")
        assert told.status_code == 200
        assert Head.parse(Note.parse(told.json()["heads"]["journal"]).text).owner == "acme.example/shop"
        proof = client.get("/witness/consistency", params={"log": "journal", "old": 1, "new": 3})
        assert proof.json()["proof"]
        assert client.get("/witness/consistency", params={"log": "journal", "old": 3, "new": 1}).status_code == 422
        assert client.get("/witness/consistency", params={"log": "x", "old": 0, "new": 0}).status_code == 404
        for path in ("/twins", "/events", "/journal/head", "/witness", "/witness/proof?position=5", "/diagnosis"):
            assert client.get(path).status_code in (403, 404), path
    with httpx.Client(base_url=f"{pair.a.server.url}/api/v1") as stranger:
        assert stranger.get("/witness/heads").status_code == 401


def checked(proof: Path, *keys: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, READER, proof, *keys], capture_output=True, text=True, check=False)


def test_one_record_is_proven_to_somebody_who_has_nothing_but_a_file(pair: Pair, tmp_path: Path) -> None:
    position = pair.a.works(4)
    with pytest.raises(NotYet, match="is not countersigned yet"):
        pair.a.platform.proof(position)
    standing(pair), pair.a.looks()
    with gemel.connect(pair.a.server.url, token=pair.a.platform.gate.tokens.local()) as client:
        found = client.witness.proof(position)
        change = client.witness.proof(1)
    file = tmp_path / "proof.json"
    file.write_text(json.dumps(found))
    assert len(file.read_bytes()) < 8_000
    keys = pair.a.key, pair.b.key
    told = checked(file, *keys)
    assert told.returncode == 0, told.stderr
    assert f"countersigned by {pair.b.name}" in told.stdout
    assert "1 reading of press-7.force" in told.stdout
    assert f"position {position}" in told.stdout
    assert "value 3.0" in told.stdout
    assert checked(file).returncode == 0
    file.write_text(json.dumps(change))
    assert '"kind"' in checked(file, *keys).stdout
    for part, name in (("leaf", "data"), ("leaf", "salt"), ("block", "recorded"), ("tree", "size"), ("tree", "path")):
        forged = json.loads(json.dumps(found))
        value = forged[part][name]
        forged[part][name] = (
            value + 1 if isinstance(value, int) else value[1:] if isinstance(value, list) else "QQ" + value[2:]
        )
        file.write_text(json.dumps(forged))
        assert checked(file, *keys).returncode == 1, name
    file.write_text(json.dumps(found | {"head": found["head"].replace("position", "Position")}))
    assert checked(file, *keys).returncode == 1
    file.write_text(json.dumps(found))
    assert checked(file, pair.a.key).returncode == 1, "its own word alone is no countersignature"


def test_who_is_no_peer_is_not_known(pair: Pair) -> None:
    with pytest.raises(NotFound, match="is no peer"):
        pair.a.platform.witness.check("nobody")


def test_a_plant_that_its_peer_cannot_reach_hands_its_heads_in(pair: Pair, tmp_path: Path) -> None:
    pair.a.knows(pair.b, offers=True)
    pair.b.knows(pair.a, reached=False)
    for one in (pair.b, pair.a):
        one.stop()
        one.start()
    old = None
    for _ in range(3):
        pair.a.works()
        assert pair.a.looks() == {"bolt.example/works": "well"}
        assert pair.b.looks() == {"acme.example/shop": "well"}
        (seen,), (held,) = pair.b.platform.witness.standing(), pair.a.platform.witness.standing()
        assert held.holds["journal"].position == seen.held["journal"].position != old
        old = seen.held["journal"].position
    assert pair.a.platform.proof(old).head.count("bolt.example/works") == 1
    pair.a.stop()
    kept = copied(pair.a.folder, tmp_path / "old")
    pair.a.start()
    pair.a.works()
    pair.a.looks()
    pair.a.stop()
    shutil.rmtree(pair.a.folder)
    copied(kept, pair.a.folder)
    pair.a.start()
    assert pair.a.looks() == {"bolt.example/works": "fault"}, "it hands its shorter record in, and is told"
    assert Verdict.ROLLED_BACK in wrong(pair)


def test_what_is_handed_in_by_nobody_known_or_without_a_proof_is_refused(pair: Pair) -> None:
    standing(pair)
    pair.a.works()
    witness, heads = pair.b.platform.witness, pair.a.platform.witness.heads()
    offer = Offer(name=heads.name, rotations=[], heads=heads.heads, proofs={})
    with pytest.raises(InvalidInput, match="does not show that the journal grew"):
        witness.offered(offer)
    with pytest.raises(NotFound, match="is no peer"):
        witness.offered(structs.replace(offer, name="nobody"))
    swapped = {"journal": heads.heads["audit"], "audit": heads.heads["journal"]}
    with pytest.raises(InvalidInput, match="this is a head of"):
        witness.offered(structs.replace(offer, heads=swapped))
    assert wrong(pair) == [], "what anybody can hand in is no evidence against the plant"
