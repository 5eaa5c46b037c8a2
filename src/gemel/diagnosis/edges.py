"""How the plant gets along with what is around it: machines and their clocks, devices, readers, other systems."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from cryptography import x509

from gemel.clock import SECOND, to_rfc3339
from gemel.connectors.health import Health as ConnectorHealth
from gemel.diagnosis.check import Check, bad, ok, warn
from gemel.diagnosis.plant import RECENT_S, Plant, Recent
from gemel.history import EventQuery, Fact
from gemel.witness import FAULTS as FORGED

__all__ = [
    "certificate",
    "certificates",
    "connectors",
    "deliveries",
    "devices",
    "quarantine",
    "readers",
    "sources",
    "upstream",
    "witnesses",
]

AHEAD_S = 5
FAULTS = ("lost", "blocked", "stopped", "failed")
WELL = ("connected", "ended", "disabled")
CERTIFICATE_DAYS = 30
DAY = 86_400 * SECOND
FOLLOW_S = 2.0
AUTHORITY = Path("secrets/authority/certificate.pem")


def connectors(plant: Plant) -> Iterator[Check]:
    """Those that do not bring or carry what they should, and how many do."""
    known = plant.supervisor.health()
    for id, one in known.items():
        told = f"{one.state}: {one.detail or one.last_error or one.state}{_last_seen(one, plant.clock.now())}"
        way_out = "look whether its machine is on and can be reached; it tries again by itself"
        if one.state in FAULTS:
            yield bad(f"connector {id}", told, way_out)
        elif one.state == "waiting":
            yield warn(f"connector {id}", told, way_out)
    well = sum(one.state in WELL for one in known.values())
    off = sum(one.state == "disabled" for one in known.values())
    told = f"{well} of {len(known)} are well{f', {off} of them switched off' if off else ''}"
    yield ok("connectors", told if known else "none is declared")


def upstream(plant: Plant) -> Iterator[Check]:
    """Whether what this edge node journals comes upstream."""
    if plant.edge is None:
        return
    one = plant.edge.standing()
    told = f"{one.state}: {one.buffered:,} positions wait here for {one.url}, the oldest for {one.lag_s:,.0f} s"
    if one.state == "refused":
        way_out = "mend the token or the address in gemel.yaml; all is kept here meanwhile"
        yield bad("edge", f"{told}: {one.error:.300}", way_out)
    elif one.error:
        yield warn("edge", f"{told}: {one.error:.300}", "it tries again by itself; all is kept here meanwhile")
    elif one.skipped:
        way_out = "`edge.keep` says how long it is kept; events of the kind edge.skipped name the positions"
        yield warn("edge", f"{one.skipped:,} positions were gone before they could be forwarded", way_out)
    elif one.note:
        yield warn("edge", one.note, "then replay the quarantine upstream")
    elif one.quarantined:
        told = f"{one.quarantined:,} readings are in quarantine upstream, the last: {one.problem:.300}"
        yield warn("edge", told, "mend the type or twin there, then replay its quarantine")
    else:
        yield ok("edge", told)


def _last_seen(one: ConnectorHealth, now: int) -> str:
    return "" if one.last_seen is None else f"; last heard {(now - one.last_seen) / SECOND:,.0f} s ago"


def deliveries(plant: Plant) -> Iterator[Check]:
    """Sinks that the other side has stopped, and what was given up within a day."""
    plant.history.wait(plant.state.position, FOLLOW_S)
    now = plant.clock.now()
    off = {spec.id for spec in plant.registry.connectors() if not spec.enabled}
    stopped = _newest(plant, "delivery.stopped")
    touched = _newest(plant, "connector.changed")
    for id in sorted(off & stopped.keys()):
        fact = stopped[id]
        if id in touched and touched[id].position > fact.position + 1:  # somebody has looked after it since
            continue
        told = f"it was stopped at {to_rfc3339(fact.change.time)}: {fact.change.body.get('reason', '')!s:.200}"
        way_out = "mend the address or the other side, then declare it with `enabled: true`; what waited is sent then"
        yield bad(f"delivery {id}", told, way_out)
    query = EventQuery(kinds=("delivery.abandoned",), start=now - DAY, limit=1000)
    for id, count in sorted(Counter(fact.change.subject for fact in plant.history.events(query).items).items()):
        told = f"{count:,} facts could not be delivered within the last day and were given up (bound: none)"
        yield warn(f"delivery {id}", told, "look whether the other side takes them; events of the connector name each")


def _newest(plant: Plant, kind: str) -> Mapping[str, Fact]:
    """The newest change of a kind, by what it is about."""
    found: dict[str, Fact] = {}
    for fact in plant.history.events(EventQuery(kinds=(kind,), limit=1000)).items:
        found.setdefault(fact.change.subject, fact)
    return found


def sources(plant: Plant) -> Iterator[Check]:
    """Machines whose clocks run ahead: their readings hide later ones with a right time, or are refused."""
    now = plant.clock.now()
    ahead = plant.state.ahead(AHEAD_S * SECOND, within=RECENT_S * SECOND)
    refused = [
        one for one in plant.intake.quarantined(code="clock", limit=100).items if one.received > now - RECENT_S * SECOND
    ]
    if ahead:
        first, most = max(ahead.items(), key=lambda one: one[1])
        others = f", {len(ahead) - 1:,} more twins less far" if len(ahead) > 1 else ""
        told = (
            f"the latest reading of {first} is dated {most / SECOND:,.0f} s ahead of our clock (bound: {AHEAD_S} s)"
            f"{others}; until then readings with a right time do not show"
        )
        yield warn("source clocks", told, "set the clock of the machine, or of its gateway, by NTP")
    if refused:
        one = refused[0]
        count = _count(sum(r.count for r in refused), "reading")
        told = f"{count} refused within five minutes, the last of {one.source}: {one.detail:.200}"
        way_out = "set that clock; then `gemel quarantine replay --source … --shift-s …` mends the times"
        yield bad("source clocks", told, way_out)
    if not ahead and not refused:
        yield ok("source clocks", f"none runs more than {AHEAD_S} s ahead of ours")


def quarantine(plant: Plant, grown: Recent) -> Iterator[Check]:
    """Whether something was refused of late."""
    newest = next(iter(plant.intake.quarantined(limit=1).items), None)
    more = grown.of(plant.clock.now(), newest.id if newest is not None else 0)
    if more > 0 and newest is not None:
        told = f"{more:,} more were refused within five minutes, the last of {newest.source}: {newest.detail:.200}"
        yield warn("quarantine", told, "`gemel quarantine list` says why; mend the source or the type, then replay")
    else:
        yield ok("quarantine", "nothing new was refused" if newest is not None else "it is empty")


def readers(plant: Plant, grown: Recent) -> Iterator[Check]:
    """Whether those who follow live values keep up."""
    count, gaps = plant.state.readers()
    more = grown.of(plant.clock.now(), gaps)
    told = f"{_count(count, 'reader')} of live values" if count else "nobody follows live values"
    if more > 0:
        bound = f"{told}; {_count(more, 'gap')} within five minutes, for one was too slow (bound: none)"
        yield warn("readers", bound, "give slow readers a rate (`rate_hz`), fewer twins, or a better network")
    else:
        yield ok("readers", f"{told}; nobody lost anything within five minutes")


def devices(plant: Plant) -> Iterator[Check]:
    """Devices whose last good certificate ends soon, and those that nothing lets in any more."""
    now, known = plant.clock.now(), plant.gate.devices.all()
    ends = {one.id: end for one in known if one.revoked is None and (end := one.certificate_ends(now)) is not None}
    soon = sorted((end, id) for id, end in ends.items() if end < now + CERTIFICATE_DAYS * DAY)
    lapsed = sorted(one.id for one in known if one.state(now) == "lapsed")
    if lapsed:
        told = f"{_count(len(lapsed), 'device')} can show nothing that is still good: {_some(lapsed)}"
        yield bad("devices", told, "`gemel devices claim-code` lets one in again, `gemel devices remove` forgets it")
    if soon:
        end, id = soon[0]
        told = (
            f"certificates of {_count(len(soon), 'device')} end within {CERTIFICATE_DAYS} days, the first of {id} "
            f"in {(end - now) / DAY:,.0f} days: {_some([id for _, id in soon])}"
        )
        yield warn("devices", told, "`gemel device renew` on the device, or `gemel devices issue` here")
    if not lapsed and not soon:
        told = f"{_count(len(known), 'device')}; no certificate ends within {CERTIFICATE_DAYS} days"
        yield ok("devices", told if known else "none is known")


def witnesses(plant: Plant) -> Iterator[Check]:
    """Whether parties that hold each other to their record agree, and reach each other."""
    peers, now = plant.witness.standing(), plant.clock.now()
    for one in peers:
        for wrong in one.wrong:
            way_out = f"clear it up with {one.name}; then `gemel witness accept {one.name} --reason …`"
            make = bad if wrong.verdict in FORGED else warn
            yield make(f"witness {one.name}", wrong.told, way_out)
        for said in one.said:
            yield bad(f"witness {one.name}", f"it says: {said:.500}", f"`gemel verify --witness`, and ask {one.name}")
        if one.state == "unreachable":
            seen = "never yet" if one.checked is None else f"last {(now - one.checked) / SECOND / 60:,.0f} min ago"
            told = f"looked at {seen}: {one.error:.300}"
            yield warn(f"witness {one.name}", told, "look at its address, token and key in `witness.peers`")
    well = [one for one in peers if one.state == "well"]
    held = [log.position for one in peers if (log := one.holds.get("journal")) is not None]
    told = f"{len(well)} of {len(peers)} peers are well; the journal is countersigned up to {max(held, default=0):,}"
    yield ok("witnesses", told if peers else "no other party holds this plant to its record")


def certificates(plant: Plant, paths: Iterable[Path]) -> Iterator[Check]:
    """Those that this server shows, and the plant's own authority's, if it has one."""
    own = plant.folder.path / AUTHORITY
    for path in [*paths, *([own] if own.exists() else [])]:
        yield certificate(path, plant.clock.now())


def certificate(path: Path, now: int) -> Check:
    """How long a PEM certificate is good for."""
    part = "certificate of the authority" if path.parts[-3:] == AUTHORITY.parts else f"certificate {path.name}"
    try:
        ends = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:
        return bad(part, f"{path} cannot be read: {error!s:.200}", "give the PEM file of the certificate chain")
    left = (round(ends.timestamp()) * SECOND - now) / DAY
    if left <= 0:
        return bad(part, f"it ended {-left:,.0f} days ago", f"renew {path}, then restart the server")
    if left <= CERTIFICATE_DAYS:
        told = f"it is good for {left:,.0f} more days (bound: {CERTIFICATE_DAYS})"
        return warn(part, told, f"renew {path}, then restart the server")
    return ok(part, f"it is good for {left:,.0f} more days")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5:,} more"
