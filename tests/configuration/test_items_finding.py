"""Items are found by anything known of them, on both databases."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemel.configuration import FOREVER, ItemKind, ItemQuery, ItemSpec
from gemel.configuration.acts.acting import item_row
from gemel.configuration.operations import Identify, Merge
from gemel.configuration.questions import texts
from gemel.configuration.questions.finding import called, search, wheres
from tests.configuration.conftest import World, day

NOW = FOREVER - 1


def test_items_are_searched_in_pages_and_say_where_they_are(world: World) -> None:
    made = world.configuration
    world.clock.time = day(5, 1)
    for id in ("M1", "M2"):
        made.create(ItemSpec(id=id, part="MILL", twin=id.lower()), day(1, 1))
    made.create(
        ItemSpec(id="PUMP", part="P-7", revision="B", maker="Acme_1", serial="4711", aliases={"giai": "A%1"}), day(1, 1)
    )
    made.create(ItemSpec(id="SEAL", part="S", kind=ItemKind.ELECTRICAL), day(1, 1))
    made.install("SEAL", "PUMP", "seal", day(1, 1))
    made.install("PUMP", "M1", "pump", day(1, 1))
    made.remove("PUMP", day(3, 1), to=("M2", "pump"))
    made.modify("PUMP", "revision", "C", day(4, 1))
    made.retire("M1", day(4, 15))

    def found(at: int = day(5, 1), only: list[int] | None = None, **asked: object) -> list[str]:
        with world.database.read() as tx:
            return [one.id for one in search(tx, ItemQuery(**asked), at, NOW, only).items]  # type: ignore[arg-type]

    assert found() == ["M2", "PUMP", "SEAL"]
    assert found(retired=True) == found(at=day(2, 1)) == ["M1", "M2", "PUMP", "SEAL"]
    assert found(q="acme_") == found(q="A%") == found(q="47") == ["PUMP"], "what SQL has for wildcards is text"
    assert found(q="ä'?a0\"1") == found(q='ää["ab]') == found(q="***") == found(q="x\x00y") == []
    assert found(revision="B", at=day(2, 1)) == found(revision="C") == ["PUMP"]
    assert found(revision="B") == []
    assert found(root="M1", at=day(2, 1)) == found(root="M2") == ["PUMP", "SEAL"]
    assert found(kind=ItemKind.ELECTRICAL) == found(root="PUMP") == ["SEAL"]
    assert found(loose=True) == ["M2"]
    assert found(limit=1) == ["M2"]
    assert found(limit=1, after="M2") == ["PUMP"]
    with world.database.read() as tx:
        numbers = {id: int(item_row(tx, id).number) for id in ("M2", "PUMP", "SEAL")}
        way = wheres(tx, numbers.values(), day(5, 1), NOW)
        assert [(row.slot, row.id) for row in way[numbers["SEAL"]]] == [("seal", "PUMP"), ("pump", "M2")]
        assert way[numbers["M2"]] == []
        assert [one.id for code in ("4711", "A%1", "PUMP") for one in called(tx, code, day(5, 1), NOW)] == ["PUMP"] * 3
    assert found(only=[numbers["SEAL"]]) == ["SEAL"]


_TEXT = st.text(st.sampled_from("abAB01-_%*?[]'\"Ää"), min_size=1, max_size=6)
_RUNS = count()


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    told=st.lists(st.tuples(_TEXT, _TEXT, st.none() | _TEXT), min_size=1, max_size=6),
    stamped=_TEXT.map(lambda text: f"{text}!!!!!!!"),
    questions=st.lists(_TEXT, min_size=3, max_size=8),
)
def test_any_part_of_what_is_written_on_an_item_finds_it_as_a_plain_list_does(
    world: World, told: list[tuple[str, str, str | None]], stamped: str, questions: list[str]
) -> None:
    made, run = world.configuration, f"x{next(_RUNS)}"
    written: dict[str, list[str]] = {}
    for n, (part, maker, name) in enumerate(told):
        id = f"{run}.{n}"
        aliases = {} if name is None else {f"{run}{n}": name}
        made.create(ItemSpec(id=id, part=part, maker=maker, aliases=aliases), day(1, 1))
        written[id] = [id, part, maker, *aliases.values()]
    made.do(Identify(item=f"{run}.0", at=day(1, 2), maker=stamped))
    written[f"{run}.0"][2] = stamped

    def lower(text: str) -> str:
        return "".join(one.lower() if one.isascii() else one for one in text)

    for q in (*questions, *(text[1:] for all_ in written.values() for text in all_ if text[1:]), run):
        with world.database.read() as tx:
            found = {one.id for one in search(tx, ItemQuery(q=q, limit=10_000), day(2, 1), NOW).items}
        fits = {id for id, all_ in written.items() if any(lower(q) in lower(text) for text in all_)}
        assert {id for id in found if id.partition(".")[0] == run} == fits, q


def test_a_text_that_many_items_have_finds_the_same_without_the_index(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = world.configuration
    for n in range(4):
        made.create(ItemSpec(id=f"pump-{n}", part="P", aliases={"shop": f"Blue{n}"}), day(1, 1))
    made.create(ItemSpec(id="other", part="P", serial="a-pump-5"), day(1, 1))
    made.create(ItemSpec(id="twice", part="P"), day(1, 1))
    made.do(Merge(item="twice", into="other", at=day(1, 2)))

    def found(q: str, limit: int = 10) -> list[str]:
        with world.database.read() as tx:
            return [one.id for one in search(tx, ItemQuery(q=q, limit=limit), day(2, 1), NOW).items]

    before = {q: found(q) for q in ("PUMP-", "blue", "lue2", "pump-5", "none")}
    assert before["PUMP-"] == ["other", "pump-0", "pump-1", "pump-2", "pump-3"]
    assert before["lue2"] == ["pump-2"]
    monkeypatch.setattr(texts, "_MANY", 0)
    assert {q: found(q) for q in before} == before
    assert found("pump-", 2) == ["other", "pump-0"]
