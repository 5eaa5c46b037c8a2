"""Whatever happens to types and links: old names resolve, numbers stay, and links tell one truth of every moment."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemel.database import Database
from gemel.errors import Conflict, InvalidDocument
from gemel.registry import Registry
from gemel.testing.registry import World
from gemel.twin import Conversion, Kind, Plant, PropertyType, TwinSpec, TwinType

NAMES = st.sampled_from("abcdef")
EVOLUTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), NAMES),
        st.tuples(st.just("rename"), st.integers(0, 5), NAMES),
        st.tuples(st.just("retype"), st.integers(0, 5), st.sampled_from([Kind.NUMBER, Kind.TEXT, Kind.INTEGER])),
        st.tuples(st.just("unit"), st.integers(0, 5), st.sampled_from(["Cel", "K", "mm"])),
        st.tuples(st.just("drop"), st.integers(0, 5)),
        st.tuples(st.just("turn")),
    ),
    max_size=12,
)
fresh = itertools.count()
relaxed = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=25
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('shared') / 'registry.sqlite'}")
    database.migrate()
    yield World(database)
    database.close()


def evolved(properties, step):
    """The properties as an author would declare them next; who they are is the author's business (and ours)."""
    kind, *rest = step
    if kind == "add":
        return [*properties, (next(fresh), PropertyType(name=rest[0]))]
    if kind == "turn":
        return properties[::-1]
    if not properties:
        return properties
    at = rest[0] % len(properties)
    who, old = properties[at]
    if kind == "drop":
        return properties[:at] + properties[at + 1 :]
    said = (Conversion(kind=old.kind, unit=old.unit, how="none"),)
    if kind == "rename":
        new = PropertyType(name=rest[1], kind=old.kind, unit=old.unit, aliases=(old.name,) * (old.name != rest[1]))
    elif kind == "retype":
        new = PropertyType(name=old.name, kind=rest[1], earlier=said)
    else:
        new = PropertyType(name=old.name, kind=Kind.NUMBER, unit=rest[1], earlier=said)
    return [*properties[:at], (who, new), *properties[at + 1 :]]


@relaxed
@given(steps=EVOLUTIONS)
def test_old_names_resolve_and_numbers_are_never_reused(shared, steps):
    type_id, twin = f"t{next(fresh)}", f"x{next(fresh)}"
    shared.put_types(TwinType(id=type_id))
    shared.put(twin, type_id)
    accepted, named, numbered = [], {}, {}
    for step in steps:
        declared = evolved(accepted, step)
        before = shared.registry.type(type_id)
        try:
            shared.put_types(TwinType(id=type_id, properties=tuple(p for _, p in declared)))
        except InvalidDocument:
            assert shared.registry.type(type_id) == before
            continue
        assert step[0] != "drop" or not accepted
        accepted = declared
        for who, property_ in accepted:
            assert named.setdefault(property_.name, who) == who, "a name has changed sides"
        properties = shared.registry.directory.twin(twin).properties
        for name, who in named.items():
            ref = properties[name]
            assert numbered.setdefault(ref.number, (who, ref.property.generation)) == (who, ref.property.generation)
            assert shared.registry.directory.property(ref.number) == ref
        assert set(properties) == set(named)
        for number, (who, generation) in numbered.items():
            ref = shared.registry.directory.property(number)
            assert ref.property.generation == generation
            assert ref.property.name == next(p.name for w, p in accepted if w == who)
    again = Registry(shared.database, shared.clock).directory
    assert dict(again.twin(twin).properties) == dict(shared.registry.directory.twin(twin).properties)
    versions = shared.registry.type_versions(type_id)
    assert [v.version for v in versions] == list(range(1, len(versions) + 1))


NODES = 5
MOVES = st.lists(
    st.tuples(
        st.sampled_from(["link", "link", "end"]), st.integers(0, NODES - 1), st.integers(0, NODES - 1), st.booleans()
    ),
    max_size=25,
)


def above(links, at, start):
    """Every node that `start` is part of at a moment, at any depth."""
    found, open_ = set(), [start]
    while open_:
        here = open_.pop()
        for source, target, since, until in links:
            if source == here and since <= at and (until is None or at < until) and target not in found:
                found.add(target)
                open_.append(target)
    return found


@relaxed
@given(moves=MOVES)
def test_links_tell_one_truth_of_every_moment(shared, moves):
    base = next(fresh)
    ids = [f"n{base}-{i}" for i in range(NODES)]
    if shared.registry.directory.type("node") is None:
        shared.put_types(TwinType(id="node"))
    for id in ids:
        shared.put(id, "node")
    links, moments = [], [shared.clock.now()]
    for what, source, target, wait in moves:
        now = shared.clock.step(1) if wait else shared.clock.now()
        moments.append(now)
        is_open = [link for link in links if link[:2] == (source, target) and link[3] is None]
        if what == "end":
            if is_open and is_open[0][2] < now:
                shared.unlink("part_of", ids[source], ids[target])
                links[links.index(is_open[0])] = (*is_open[0][:3], now)
            continue
        cyclic = source == target or source in above([(*link[:2], 0, link[3]) for link in links], now, target)
        if cyclic:
            with pytest.raises(Conflict):
                shared.link("part_of", ids[source], ids[target])
        else:
            assert bool(shared.link("part_of", ids[source], ids[target])) == (not is_open)
            if not is_open:
                links.append((source, target, now, None))
    for at in moments:
        for node in range(NODES):
            told = {link.target for link in shared.registry.links(ids[node], direction="out", at=at)}
            held = {t for s, t, since, until in links if s == node and since <= at and (until is None or at < until)}
            assert told == {ids[t] for t in held}
            inside = {twin.id for _, twin in shared.registry.parts(ids[node], at=at)}
            assert inside == {ids[n] for n in range(NODES) if node in above(links, at, n)}
            assert ids[node] not in inside


TWINS = st.dictionaries(
    st.integers(0, 5),
    st.tuples(st.sampled_from(["", "A", "B"]), st.sets(st.integers(0, 5), max_size=3), st.sets(NAMES, max_size=2)),
    max_size=6,
)


@relaxed
@given(documents=st.lists(TWINS, min_size=1, max_size=4))
def test_after_an_apply_everything_is_as_declared(shared, documents):
    base = next(fresh)
    if shared.registry.directory.type("node") is None:
        shared.put_types(TwinType(id="node"))
    for document in documents:
        specs = []
        for i, (serial, targets, aliases) in document.items():
            inside = tuple(f"d{base}-{t}" for t in sorted(targets) if t < i and t in document)
            fed = tuple(f"d{base}-{t}" for t in sorted(targets) if t > i and t in document)
            # Each twin has aliases of its own, or two would claim one name.
            named = tuple(f"d{base}-{i}-{name}" for name in sorted(aliases))
            specs.append(
                TwinSpec(
                    id=f"d{base}-{i}",
                    types=("node",),
                    serial=serial,
                    aliases=named,
                    part_of=inside,
                    links={"feeds": fed},
                )
            )
        plant = Plant(twins=tuple(specs))
        shared.clock.step(1)
        plan = shared.registry.plan(plant)
        shared.write(lambda tx, plan=plan: shared.registry.apply(tx, plan))
        assert not shared.registry.plan(plant)
        for spec in specs:
            twin = shared.registry.twin(spec.id)
            assert (twin.serial, twin.aliases) == (spec.serial, spec.aliases)
            held = {(link.kind, link.target) for link in shared.registry.links(spec.id, direction="out")}
            assert held == {(kind, target) for kind, target, _ in spec.declared_links()}
            assert {name for name in spec.aliases if shared.registry.directory.twin(name).id == spec.id} == set(
                spec.aliases
            )
