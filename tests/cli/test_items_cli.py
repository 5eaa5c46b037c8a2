"""The configuration on the command line: told from a file and one by one, asked as of two moments."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner, Result

from gemel.cli import app
from gemel.cli.operations import OPERATIONS
from gemel.cli.show import output
from gemel.configuration import Operation
from gemel.errors import GemelError, InvalidInput
from gemel.platform import Platform
from gemel.server import Server

PLANT = """
types:
  - {id: machine, slots: [{name: pump, type: pump}], properties: [{name: speed}]}
  - {id: pump, properties: [{name: vibration, unit: mm/s}]}
twins: [{id: m1, types: [machine]}, {id: m1.pump, types: [pump], part_of: {twin: m1, slot: pump}}]
"""
BOOK = """
parts:
  - part: MILL
    slots: [{slot: pump, mandatory: true}]
    rules: [{slot: pump, part: P-7, revisions: [B..]}, {slot: pump, part: P-6, level: concession}]
  - {part: P-7, revisions: [{revision: A}, {revision: B}], limits: [{kind: hours, limit: 8000}]}
"""
LINES = """do,at,id,part,revision,serial,child,parent,slot,new,to_item,to_slot,twin,kind
create,2026-01-01,M1,MILL,,17,,,,,,,m1,
create,2026-01-01,STORE,STORE,,,,,,,,,,location
create,2026-01-01,PUMP-A,P-7,B,4711,,,,,,,,
create,2026-01-01,PUMP-B,P-7,B,4712,,,,,,,,
create,2026-01-01,PUMP-C,P-7,A,4713,,,,,,,,
create,2026-01-01,PUMP-D,P-6,,4714,,,,,,,,
install,2026-01-01,,,,,PUMP-A,M1,pump,,,,,
swap,2026-03-10,,,,,,M1,pump,PUMP-B,STORE,shelf,,
install,2026-04-10,,,,,PUMP-X,M1,pump,,,,,
"""
Gemel = Callable[..., Result]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shop")


@pytest.fixture(scope="module")
def gemel(folder: Path) -> Iterator[Gemel]:
    with Platform.open(folder, run_connectors=False) as platform, Server(platform, port=0) as server:
        platform.apply(PLANT)
        token = platform.gate.tokens.add("cli", "engineer")[1]
        (folder / "parts.yaml").write_text(BOOK)
        (folder / "lines.csv").write_text(LINES)

        def run(*arguments: str) -> Result:
            given = [str(folder / one) if one.endswith((".yaml", ".csv")) else one for one in arguments]
            done = CliRunner().invoke(app, ["--at", server.url, "--token", token, *given])
            if done.exception is not None and not isinstance(done.exception, SystemExit | GemelError):
                raise done.exception
            return done

        yield run
        output.json = False


def of(done: Result) -> Any:
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_configuration_is_told_from_a_file_once(gemel: Gemel) -> None:
    assert "+ part MILL" in gemel("parts", "apply", "parts.yaml", "--dry-run").output
    assert of(gemel("--json", "parts", "list")) == []
    gemel("parts", "apply", "parts.yaml")
    tried = gemel("item", "load", "lines.csv", "--dry-run")
    assert (tried.exit_code, "8 of 9 would be done" in tried.output) == (3, True)
    assert of(gemel("--json", "items")) == []
    done = gemel("item", "load", "lines.csv")
    assert "8 of 9 done" in done.output
    assert "there is no item 'PUMP-X'" in done.output
    assert "8 of 9 done, 8 of them before" in gemel("item", "load", "lines.csv").output


def test_the_first_item_makes_the_plant(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["--at", str(tmp_path / "new"), "item", "create", "M1", "--part", "MILL"])
    assert "M1 is known" in done.output


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("create X --part P --time 2026-02-30", "day is out of range"),
        ("create X --part P --time 0001-01-01", "0001-01-01 is outside the years"),
        ("create X --part P --time 99999w", "99999w back from now is before the year 1900"),
        ("create X --part P --time 2026-02-01 --serial " + "9" * 129, "serial has at most 128 characters, not 129"),
        ("create X --part= --time 2026-02-01", "say of which part X is: --part P-7; a store"),
        ("do use item=M1 kind=hours start=2026-03-01 end=2026-04-01 amount=nan", "amount is a number, not 'nan'"),
        ("do use item=M1 kind=hours start=2026-03-01 end=2026-04-01 amount=1e300", "at most 1,000,000,000,000,000"),
        ("do use item=M1 kind= start=2026-03-01 end=2026-04-01 amount=1", "say what is counted"),
        ("do fly child=M1", "there is no operation 'fly'; there are adjust"),
        ("do modify child=M1 name=revision", "required field `value`"),
        ("do move child=M1 parent=M1 slot={} --time 2026-04-01", "Expected `str`, got `object`"),
        ("correct 999999 2026-01-01 --reason x", "there is no act 999999"),
        ("correct 99999999999999999999999 2026-01-01 --reason x", "beyond 64 bits"),
    ],
)
def test_what_cannot_be_is_refused_with_the_value_and_the_way_out(gemel: Gemel, line: str, said: str) -> None:
    done = gemel("item", *line.split())
    assert isinstance(done.exception, GemelError), done.output
    assert said in done.exception.detail


def test_every_operation_can_be_named() -> None:
    assert set(OPERATIONS) == {one.__name__.lower() for one in get_args(Operation)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"do,at,id,part\ncreate,2026-01-01,Q1,P\xfc\n", "save it as CSV in UTF-8"),
        (b"do,at,id,part\ncreate,2026-01-01,Q1,P,extra\n", "line 2: there are more cells than headings, from 'extra'"),
        (b"at,id,part\n2026-01-01,Q1,P\n", "line 2: the column `do`"),
    ],
)
def test_a_list_that_cannot_be_read_says_where(gemel: Gemel, folder: Path, text: bytes, said: str) -> None:
    (folder / "bad.csv").write_bytes(text)
    done = gemel("item", "load", "bad.csv")
    assert isinstance(done.exception, InvalidInput)
    assert said in done.exception.detail


def test_it_is_asked_as_of_two_moments(gemel: Gemel) -> None:
    def pump(*asked: str) -> list[str]:
        return [part["item"]["id"] for part in of(gemel("--json", "item", "tree", "M1", *asked))["parts"]]

    assert pump() == ["PUMP-B"]
    assert pump("--as-of", "2026-02-01T00:00:00Z") == ["PUMP-A"]
    acts = of(gemel("--json", "item", "acts", "PUMP-A"))
    swap = str(next(one["number"] for one in acts if one["kind"] == "swapped"))
    of(gemel("--json", "item", "correct", swap, "2026-03-12T00:00:00Z", "--reason", "the report says so"))
    assert pump("--as-of", "2026-03-11T00:00:00Z") == ["PUMP-A"]
    assert pump("--as-of", "2026-03-11T00:00:00Z", "--known", acts[-1]["recorded"]) == ["PUMP-B"]


def test_a_tree_as_of_before_anything_was_known_says_so(gemel: Gemel) -> None:
    said = "nothing that you are told of M1 was known then; --as-of asks how it was"
    early = gemel("item", "tree", "M1", "--known", "2020-01-01T00:00:00Z")
    assert said in " ".join((early.output + early.stderr).split())
    assert "known then" not in gemel("item", "tree", "M1").output
    assert "known then" not in gemel("item", "tree", "M1", "--as-of", "2020-01-01T00:00:00Z").output


def test_people_read_it_as_a_tree_and_as_lists(gemel: Gemel) -> None:
    tree = gemel("item", "tree", "M1", "--as-of", "2026-02-01T00:00:00Z").output
    assert "M1  MILL · SN 17" in tree
    assert "└── pump  PUMP-A  P-7 B · SN 4711" in tree
    assert "STORE › shelf" in gemel("item", "show", "PUMP-A").output
    assert "STORE" in gemel("item", "history", "PUMP-A").output
    assert "PUMP-A (P-7 B)" in gemel("item", "compare", "M1", "--as-of", "2026-02-01T00:00:00Z").output
    assert "m1.pump" in gemel("item", "life", "PUMP-A").output
    assert [one["id"] for one in of(gemel("--json", "item", "find", "4711"))] == ["PUMP-A"]
    found = of(gemel("--json", "configuration", "find", "P-7:=B"))["items"]
    assert [one["root"] for one in found] == ["M1", "PUMP-A"], "a spare in a store is one for itself"


def test_software_stands_in_the_tree_with_what_is_required_and_in_what_differs(gemel: Gemel, folder: Path) -> None:
    versions = "[{version: 2.1.0}, {version: 3.0.0}]"
    declared = f'software: [{{part: DRV, scheme: semver, versions: {versions}, required: [{{versions: ">=3"}}]}}]'
    (folder / "software.yaml").write_text(declared)
    gemel("software", "apply", "software.yaml")
    for version, at in (("2.1.0", "2026-01-05T00:00:00Z"), ("3.0.0", "2026-01-09T00:00:00Z")):
        of(
            gemel(
                "--json",
                "item",
                "do",
                "report",
                "item=PUMP-A",
                "slot=drive",
                f"version={version}",
                "part=DRV",
                f"at={at}",
            )
        )
    behind = gemel("item", "tree", "M1", "--as-of", "2026-01-06T00:00:00Z").output
    assert "drive  DRV 2.1.0" in behind
    assert "required: >=3  behind" in behind
    assert "behind" not in gemel("item", "tree", "PUMP-A").output
    then = ("--as-of", "2026-01-06T00:00:00Z", "--with-as-of", "2026-01-10T00:00:00Z")
    (one,) = of(gemel("--json", "item", "compare", "M1", *then))
    assert (one["path"], one["ran"]["version"], one["runs"]["version"]) == (["pump", "drive"], "2.1.0", "3.0.0")
    assert "DRV 2.1.0" in gemel("item", "compare", "M1", *then).output


def test_rules_answer_before_anything_is_written(gemel: Gemel) -> None:
    refused = gemel("item", "swap", "M1", "pump", "PUMP-C")
    assert getattr(refused.exception, "code", "") == "rule-broken"
    assert [part["item"]["id"] for part in of(gemel("--json", "item", "tree", "M1"))["parts"]] == ["PUMP-B"]
    conceded = of(gemel("--json", "item", "swap", "M1", "pump", "PUMP-D", "--concede", "none left"))
    assert len(conceded["nonconformances"]) == 1
    seen = of(gemel("--json", "item", "swap", "M1", "pump", "PUMP-C", "--seen"))
    assert len(seen["nonconformances"]) == 1
    checked = gemel("configuration", "check", "M1")
    assert (checked.exit_code, "revision" in checked.output) == (3, True)
    assert [one["slot"] for one in of(gemel("--json", "parts", "where-used", "P-6"))] == ["pump"]


def test_what_cannot_be_understood_is_told(gemel: Gemel) -> None:
    for arguments in (["item", "do", "paint", "item=M1"], ["item", "do", "remove", "PUMP-A"], ["item", "tree", "NIX"]):
        done = gemel(*arguments)
        assert isinstance(done.exception, GemelError)
        assert done.exception.detail


def test_a_promise_is_made_looked_at_and_broken(gemel: Gemel) -> None:
    assert "--within DAYS" in gemel("upkeep", "list").output
    made = gemel("upkeep", "promise", "M1", "--within", "30000", "--snapshots", "month").output
    assert "every slot is confirmed at most 30,000 days ago and a snapshot is taken every month; kept" in made
    (one,) = of(gemel("--json", "upkeep", "list"))
    assert (one["root"], one["state"], one["promise"]["every"]) == ("M1", "kept", "month")
    shown = gemel("upkeep", "show", "M1").output
    assert "M1: kept (every slot within 30,000 days)" in shown
    assert "pump: 2026-" in shown
    gemel("upkeep", "promise", "M1", "--within", "0.000001")
    broken = gemel("upkeep", "list", "--broken")
    assert (broken.exit_code, "M1" in broken.output) == (3, True)
    assert "quarter or year, not every week" in str(gemel("upkeep", "promise", "M1", "--snapshots", "week").exception)
    gemel("upkeep", "promise", "M1")
    assert gemel("upkeep", "list", "--broken").exit_code == 0


def test_what_changed_since_a_snapshot_is_listed(gemel: Gemel) -> None:
    taken = str(of(gemel("--json", "upkeep", "snapshot", "M1", "--title", "spring"))["number"])
    assert "spring" in gemel("upkeep", "snapshots", "M1").output
    assert "Nothing has changed" in gemel("upkeep", "changed", taken).output
    of(gemel("--json", "item", "create", "LAMP-1", "--part", "LAMP"))
    of(gemel("--json", "item", "install", "LAMP-1", "M1", "lamp"))
    assert "LAMP-1 (LAMP)" in gemel("upkeep", "changed", taken).output


def test_an_event_is_declared_to_become_an_operation(gemel: Gemel, tmp_path: Path) -> None:
    file = tmp_path / "replaced.yml"
    file.write_text("{id: replaced, event: e, operation: {do: swap, parent: $item, slot: $slot, new: $new}}")
    assert "e becomes swap" in gemel("translations", "declare", str(file)).output
    assert [one["id"] for one in of(gemel("--json", "translations", "list"))] == ["replaced"]
    assert of(gemel("--json", "translations", "refused")) == []
    assert "nothing open has the number 7" in str(gemel("translations", "retry", "7").exception)
    gemel("translations", "remove", "replaced")
    file.write_text("- no mapping")
    assert "write id: NAME" in str(gemel("translations", "declare", str(file)).exception)


def test_a_source_is_attached_and_asked_where_it_lies(gemel: Gemel, folder: Path, tmp_path: Path) -> None:
    (folder / "inbox").mkdir(exist_ok=True)
    (folder / "inbox" / "base.csv").write_text("id,part,in,pos\nN1,PRESS,,\nN1-p,PUMP,N1,pump\n")
    file = tmp_path / "base.yml"
    file.write_text(
        "{id: base, kind: csv, path: inbox/base.csv, columns: {item: id, part: part, parent: in, slot: pos}}"
    )
    assert "base is attached: 2 lines" in gemel("sources", "attach", str(file)).output
    assert "inbox/base.csv" in gemel("sources", "list").output
    found = of(gemel("--json", "configuration", "find", "PUMP", "--source", "base"))["items"]
    assert [one["root"] for one in found] == ["N1"]
    assert "pump  N1-p  PUMP" in gemel("sources", "tree", "base", "N1").output
    (folder / "inbox" / "base.csv").unlink()
    assert gemel("sources", "list").exit_code == 3
    gemel("sources", "remove", "base")
    assert of(gemel("--json", "sources", "list")) == []


def test_what_is_not_as_it_should_be_is_raised_listed_and_judged(gemel: Gemel) -> None:
    raised = of(gemel("--json", "item", "raise", "PUMP-D", "--reason", "a dent", "--evidence", "record:N7"))
    (number,) = raised["nonconformances"]

    def listed(*how: str) -> dict[int, tuple[str, str, str]]:
        rows = of(gemel("--json", "item", "nonconformances", "PUMP-D", *how))
        return {one["number"]: (one["text"], one["evidence"], one["state"]) for one in rows}

    assert listed()[number] == ("a dent", "record:N7", "open")
    of(gemel("--json", "item", "judge", str(number), "conceded", "--reason", "it holds", "--until", "2099-01-01"))
    assert listed()[number][2] == "conceded"
    assert "a dent" in gemel("item", "nonconformances", "PUMP-D").stdout
    of(gemel("--json", "item", "judge", str(number), "closed", "--reason", "straightened"))
    assert number not in listed()
    assert listed("--all")[number][2] == "closed"


def test_a_list_is_held_against_the_record_and_received(gemel: Gemel, folder: Path) -> None:
    (folder / "list.csv").write_text("Machine,Slot,Part,Serial\nM1,pump,P-7,4711\n")
    looked = gemel("thread", "import", "list.csv", "--mapping", "as-built", "--receive", "--dry-run").output
    assert "elsewhere" in looked
    assert "PUMP-A" in looked
    assert "were taken in" in gemel("thread", "import", "list.csv", "--mapping", "as-built", "--receive").output
    assert of(gemel("--json", "item", "show", "PUMP-A"))["root"] == "M1"


def test_names_that_look_like_markup_are_printed_as_they_are(gemel: Gemel) -> None:
    gemel("item", "create", "ODD", "--part", "a\\[/b]", "--time", "2026-04-10")
    assert "[/x] of STORE" in gemel("item", "install", "ODD", "STORE", "[/x]", "--time", "2026-04-10").output
    assert "[/x]  ODD" in gemel("item", "tree", "STORE").output
    assert "a\\[/b]" in gemel("item", "show", "ODD").output
