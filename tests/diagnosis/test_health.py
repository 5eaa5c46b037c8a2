"""Health watches what ends, drifts, falls behind or stops, and says the value, its bound and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gemel.clock import SECOND, SteppedClock
from gemel.connectors.outbox import Outbox
from gemel.diagnosis import Check, Level
from gemel.diagnosis.plant import RECENT_S, Recent
from gemel.intake import Message, Reported
from gemel.platform import Platform
from gemel.state import Selection
from gemel.twin import Change, parse_plant

DAY_S = 86_400.0


def check(plant: Platform, part: str) -> Check:
    """The worst that is told of a part; whatever is not well has a way out."""
    found = [one for one in plant.health.look() if one.part == part]
    assert all(one.told and (one.level is Level.OK or one.way_out) for one in found)
    return max(found, key=lambda one: list(Level).index(one.level))


def test_a_machine_whose_clock_runs_ahead_is_named_with_how_far(plant: Platform, clock: SteppedClock) -> None:
    plant.write("press-7", "force", 1.0, time=clock.now() + 4 * SECOND)
    assert check(plant, "source clocks").level is Level.OK
    plant.write("press-7", "force", 2.0, time=clock.now() + 90 * SECOND)
    plant.write("press-8", "force", 2.0, time=clock.now() + 20 * SECOND)
    told = check(plant, "source clocks")
    assert told.level is Level.WARN
    assert "press-7 is dated 90 s ahead of our clock (bound: 5 s), 1 more twins" in told.told
    clock.step(RECENT_S + 1)
    assert check(plant, "source clocks").level is Level.OK


def test_a_reading_in_the_far_future_is_told_for_as_long_as_it_hides_others(
    plant: Platform, clock: SteppedClock
) -> None:
    plant.write("press-7", "force", 2.0, time=clock.now() + 3000 * SECOND)
    clock.step(2900)
    plant.write("press-7", "force", 3.0)
    assert plant.now("press-7")["force"].value == 2.0
    assert "press-7 is dated 3,000 s ahead" in check(plant, "source clocks").told
    clock.step(200)
    assert check(plant, "source clocks").level is Level.OK


def test_a_clock_that_ran_away_too_far_to_be_believed_is_bad(plant: Platform, clock: SteppedClock) -> None:
    ahead = Reported(twin="press-7", property="force", value=1.0, time=clock.now() + 7200 * SECOND)
    plant.ingest([Message(readings=[ahead])], source="plc-7")
    told = check(plant, "source clocks")
    assert told.level is Level.BAD
    assert "1 reading refused within five minutes, the last of plc-7" in told.told
    clock.step(RECENT_S + 1)
    assert check(plant, "source clocks").level is Level.OK


def test_a_reader_that_is_too_slow_is_told_for_five_minutes(
    plant: Platform, clock: SteppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gemel.state.subscription.MAX_PENDING", 3)
    with plant.subscribe(Selection(twins=("press-7",))) as slow, plant.subscribe(Selection(type="press")) as quick:
        assert slow.get(60) is not None
        assert check(plant, "readers").level is Level.OK
        for value in range(5):
            assert quick.get(60) is not None
            plant.write("press-7", "force", float(value))
        told = check(plant, "readers")
        assert told.level is Level.WARN
        assert told.told.startswith("2 readers of live values; 1 gap within five minutes")
    clock.step(RECENT_S + 1)
    assert check(plant, "readers").told.startswith("nobody follows")


def request() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


def test_devices_whose_certificates_end_are_named_before_they_do(plant: Platform, clock: SteppedClock) -> None:
    devices = plant.gate.devices
    assert check(plant, "devices").told == "none is known"
    for name, days in (("gateway-1", 40), ("gateway-2", 300)):
        devices.add(name, ["press-7"], claim_s=3600)
        devices.certificates.issue(name, request(), days=days)
    assert check(plant, "devices").level is Level.OK
    clock.step(20 * DAY_S)
    told = check(plant, "devices")
    assert (told.level, "the first of gateway-1 in 20 days" in told.told) == (Level.WARN, True)
    clock.step(21 * DAY_S)
    told = check(plant, "devices")
    assert (told.level, told.told) == (Level.BAD, "1 device can show nothing that is still good: gateway-1")
    devices.revoke("gateway-1")
    assert check(plant, "devices").level is Level.OK


def test_the_plants_own_authority_is_watched(plant: Platform, clock: SteppedClock) -> None:
    assert plant.gate.devices.certificates.authority.certificate
    assert check(plant, "certificate of the authority").level is Level.OK
    clock.step(20 * 365 * DAY_S - 10 * DAY_S)
    assert "10 more days (bound: 30)" in check(plant, "certificate of the authority").told


HOOK = """
gemel: 1
connectors: [{id: hook, kind: webhook, settings: {url: "https://127.0.0.1:9/", secret: {env: HOOK}, events: [jammed]}}]
"""


def test_a_webhook_that_the_other_side_stopped_is_bad_until_somebody_looked_after_it(
    plant: Platform, clock: SteppedClock
) -> None:
    plant.apply(HOOK)
    (spec,) = parse_plant(HOOK).connectors
    outbox = Outbox(plant.journal, plant.registry, plant.intake)
    body = {"position": 3, "kind": "event.happened", "subject": "press-7", "reason": "410 Gone"}
    outbox.disable(spec, 3, Change(kind="delivery.stopped", subject="hook", time=clock.now(), body=body))
    told = check(plant, "delivery hook")
    assert (told.level, "410 Gone" in told.told) == (Level.BAD, True)
    clock.step(3600)
    plant.apply(HOOK)
    assert "delivery hook" not in {one.part for one in plant.health.look()}


def test_facts_that_were_given_up_are_counted_for_a_day(plant: Platform, clock: SteppedClock) -> None:
    lost = [Change(kind="delivery.abandoned", subject="hook", time=clock.now()) for _ in range(3)]
    plant.change(lambda _: lost)
    assert check(plant, "delivery hook").told.startswith("3 facts could not be delivered within the last day")
    clock.step(DAY_S + 1)
    assert "delivery hook" not in {one.part for one in plant.health.look()}


def test_a_backup_is_watched_by_its_age_and_by_its_last_trial(
    plant: Platform, clock: SteppedClock, tmp_path: Path
) -> None:
    def told() -> tuple[Level, str]:
        found = check(plant, "backup")
        return found.level, found.told

    assert told() == (Level.WARN, "there is no backup yet")
    plant.backup(tmp_path / "vault")
    assert told() == (Level.WARN, "the last one is 0 min old; none was ever tried (bound: 90 days)")
    assert plant.backups.drill(tmp_path / "vault").ok
    assert told() == (Level.OK, "the last one is 0 min old; one was tried 0 min ago")
    clock.step(3 * DAY_S)
    assert told() == (Level.WARN, "the last one is 3 days old (bound: 2 days); one was tried 3 days ago")
    clock.step(97 * DAY_S)
    plant.backup(tmp_path / "vault")
    assert told() == (Level.WARN, "the last one is 0 min old; one was tried 100 days ago (bound: 90 days)")


def test_a_part_that_cannot_be_looked_at_does_not_hide_the_others(
    plant: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gemel.diagnosis.parts.LEAST_MEMORY", 0.0)  # what else the machine does is no matter
    plant.health.certificates = [Path("/nowhere/cert.pem")]
    (plant.folder.path / "secrets/authority").mkdir(parents=True)
    (plant.folder.path / "secrets/authority/certificate.pem").write_text("not a certificate")
    assert check(plant, "certificate cert.pem").level is Level.BAD
    assert check(plant, "certificate of the authority").level is Level.BAD
    assert check(plant, "memory").level is Level.OK


def test_what_rose_lately_is_the_same_for_whoever_asks_how_often() -> None:
    often, seldom = Recent(), Recent()
    for second in range(1201):
        count = 0 if second < 1000 else 7
        told = often.of(second * SECOND, count)
        if second % 120 == 0:
            assert seldom.of(second * SECOND, count) == told
    assert often.of(0, 7) == 0  # the clock was set back
