"""Imports of history: line protocol by property, ThingsBoard's shapes, and the commands as a new user runs them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from gemel.cli import app
from gemel.clock import parse_time, to_rfc3339
from gemel.connectors.archives import Names, gather, plant_of, read_influx, read_thingsboard
from gemel.connectors.archives.gathering import Fault
from gemel.connectors.archives.influx import parse_line
from gemel.connectors.archives.many import Many, Value
from gemel.errors import InvalidInput
from gemel.twin import Kind

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\\", min_codepoint=32), min_size=1, max_size=12)
FIELDS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**53), 2**53),
    st.booleans(),
    st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1, max_size=20),
)


LINES = st.builds(
    "{0}{1} {2} {3}".format,
    st.sampled_from(["cpu", "a\\ b", "m=1", "é", "#no", " x", "x"]),
    st.sampled_from(["", ",h=1", ",h=1,r=b\\,c", ",h", ",h=1=2", ',q="1"']),
    st.lists(
        st.sampled_from(["f=1", "f=-1.5e3", "g=7i", "t=T", 's="x y"', "f=1e999", "f=", "=1", "f=0x1", "u=9u"])
    ).map(",".join),
    st.sampled_from(["1700000000000000000", "-5", "1", "99999999999999999999", "9223372036854775807", "x", ""]),
)


def escaped(text: str, which: str) -> str:
    return "".join("\\" + one if one in which else one for one in text)


def written(value: Any) -> str:
    if isinstance(value, bool):
        return "T" if value else "false"
    if isinstance(value, int):
        return f"{value}i"
    if isinstance(value, float):
        return repr(value)
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def told(found: Iterable[Many | Value | Fault]) -> list[Value | Fault]:
    """One by one."""
    return [one for some in found for one in (some if isinstance(some, Many) else [some])]


class TestLineProtocol:
    @given(
        TEXT.filter(lambda text: not text.startswith(("#", " "))),
        st.dictionaries(TEXT, TEXT, max_size=3),
        st.dictionaries(TEXT, FIELDS, min_size=1, max_size=4),
        st.integers(0, 2**60),
    )
    def test_what_was_written_is_read(self, name: str, tags: dict[str, str], fields: dict[str, Any], time: int):
        head = escaped(name, ", ") + "".join(f",{escaped(k, ',= ')}={escaped(v, ',= ')}" for k, v in tags.items())
        body = ",".join(f"{escaped(key, ',= ')}={written(value)}" for key, value in fields.items())
        _, found, moment = parse_line(f"{head} {body} {time}")
        assert moment == time // 1000
        assert [key for key, _, _ in found] == list(fields)
        for (_, told, kind), value in zip(found, fields.values(), strict=True):
            if isinstance(value, bool):
                assert (kind, told) == (Kind.BOOLEAN, str(value).lower())
            elif isinstance(value, int):
                assert (kind, int(told)) == (Kind.INTEGER, value)
            elif isinstance(value, float):
                assert (kind, float(told)) == (Kind.NUMBER, value)
            else:
                assert (kind, told) == (Kind.TEXT, value)

    @given(st.text(max_size=60))
    def test_whatever_a_line_holds_it_is_read_or_told(self, text: str):
        for one in told(read_influx([text], Names())):
            assert isinstance(one, Value | Fault)

    @given(st.lists(st.one_of(LINES, st.text('ab=, 1\\"\n', max_size=20)), max_size=12))
    def test_lines_read_together_are_as_read_one_by_one(self, lines: list[str]):
        """A quote that nothing precedes makes a line be read carefully, and with it all that lie beside it."""
        ended = [line.replace("\n", "") + "\n" for line in lines]
        together = told(read_influx(ended, Names()))
        careful = told(read_influx([*ended, 'x y="\n'], Names()))
        assert [one for one in careful if isinstance(one, Value)] == [one for one in together if isinstance(one, Value)]
        faults = [one for one in careful if isinstance(one, Fault)]
        assert [one for one in together if isinstance(one, Fault)] == faults[: len(faults) - 1]

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("cpu", "no measurement and fields"),
            ("cpu load=1", "no time"),
            ("cpu load=1 soon", "is no time"),
            ("cpu load=1x 1", "is no value"),
            ("cpu load=nan 1", "is no value"),
            ("cpu load 1", "no field=value"),
            ("cpu load=1 99999999999999999999", "see --precision"),
        ],
    )
    def test_a_bad_line_is_told_by_its_number(self, line: str, reason: str):
        good = "cpu load=1 1700000000000000000\n"
        found = told(read_influx([good, "# a comment\n", "\n", line + "\n", good], Names()))
        assert [type(one) for one in found] == [Value, Value, Fault]
        assert isinstance(found[2], Fault)
        assert found[2].line == 4
        assert reason in found[2].reason

    def test_a_text_may_hold_line_breaks(self):
        lines = [
            'log,host=a msg="one\n',
            'two, \\"three\\"",n=1i 1700000000000000000\n',
            "cpu load=1 1700000000000000000\n",
        ]
        found = [(one.property, one.value) for one in told(read_influx(lines, Names())) if isinstance(one, Value)]
        assert found == [("log_msg", 'one\ntwo, "three"'), ("log_n", "1"), ("cpu_load", "1")]

    def test_names_come_from_templates_tags_and_a_map(self):
        line = ["cpu,machine=press\\ 7,hall=2 value=1,Load\\ %=2 1700000000\n"]
        plain = told(read_influx(line, Names(), precision="s"))
        assert [(one.twin, one.property) for one in plain if isinstance(one, Value)] == [
            ("2-press-7", "cpu"),
            ("2-press-7", "cpu_load"),
        ]
        names = Names({"press 7": "P7", "Load %": "share"})
        named = told(read_influx(line, names, twin="{machine}", property="{field}", precision="s"))
        assert [(one.twin, one.property) for one in named if isinstance(one, Value)] == [
            ("P7", "value"),
            ("P7", "share"),
        ]
        (fault, *_) = told(read_influx(line, Names(), twin="{site}", precision="s"))
        assert isinstance(fault, Fault)
        assert "no {site}; it has" in fault.reason


class TestThingsBoard:
    def test_a_column_per_key_with_local_times(self):
        lines = ["Timestamp;temperature;active\n", "2024-07-01 12:00:00;21.5;true\n", "2024-07-01 12:00:01;;false\n"]
        found = told(read_thingsboard(lines, Names(), twin="press-7", time_zone="Europe/Berlin"))
        assert [(v.property, v.value, v.kind) for v in found if isinstance(v, Value)] == [
            ("temperature", "21.5", Kind.NUMBER),
            ("active", "true", Kind.BOOLEAN),
            ("active", "false", Kind.BOOLEAN),
        ]
        assert isinstance(found[0], Value)
        assert found[0].time == parse_time("2024-07-01T10:00:00Z")

    def test_lines_read_together_are_as_read_one_by_one(self):
        head = "Timestamp,load,mode,device,type\n"
        lines = [
            "2024-03-31 01:59:59.5,1,AUTO,Press 7,press\n",
            "2024-03-31 02:30:00,2,,Press 7,press\n",  # clocks leave it out
            "2024-10-27 02:30:00,3e2,true,Press 8,\n",  # and have this one twice
            '1700000000001, 4 ,"a ""b"", c",Press 7,press\n',
            "Mar 31, 2024\n",
            "31.03.2024 12:00:00,nan,inf,Press 9,saw\n",
            "\n",
            "2024-02-31 00:00:00,7,x,Press 9,saw\n",
        ]
        for some in (lines[:1], lines):  # the hour that clocks leave out makes all others be read carefully
            found = told(read_thingsboard([head, *some], Names(), time_zone="Europe/Berlin"))
            values = [one for one in found if isinstance(one, Value)]
            first = parse_time("2024-03-31T00:59:59.5Z")
            assert values[:2] == [
                Value("press", "press-7", "load", first, "1", Kind.NUMBER),
                Value("press", "press-7", "mode", first, "AUTO", Kind.TEXT),
            ]
        assert [(to_rfc3339(one.time), one.twin, one.value, one.kind) for one in values[2:]] == [
            ("2024-03-31T01:30:00Z", "press-7", "2", Kind.NUMBER),
            ("2024-10-27T00:30:00Z", "press-8", "3e2", Kind.NUMBER),
            ("2024-10-27T00:30:00Z", "press-8", "true", Kind.BOOLEAN),
            ("2023-11-14T22:13:20.001Z", "press-7", "4", Kind.NUMBER),
            ("2023-11-14T22:13:20.001Z", "press-7", 'a "b", c', Kind.TEXT),
            ("2024-03-31T10:00:00Z", "press-9", "nan", Kind.TEXT),
            ("2024-03-31T10:00:00Z", "press-9", "inf", Kind.TEXT),
        ]
        assert [one.line for one in found if isinstance(one, Fault)] == [6, 9]

    def test_a_row_per_value_and_a_column_that_names_the_device(self):
        lines = ["Entity name,key,ts,value\n", "Press 7,Oil Temp,1700000000000,4\n", "Press 8,mode,x,AUTO\n"]
        value, fault = told(read_thingsboard(lines, Names()))
        assert isinstance(value, Value)
        assert (value.twin, value.property, value.time) == ("press-7", "oil_temp", 1_700_000_000_000_000)
        assert isinstance(fault, Fault)
        assert fault.line == 3

    def test_a_list_of_devices_becomes_twins(self):
        found = gather(read_thingsboard(["Name,Type,Label\n", "Press 7,press,x\n"], Names()), None)
        plant = plant_of(found)
        assert [(twin.id, twin.types) for twin in plant.twins] == [("press-7", ("press",))]

    @pytest.mark.parametrize(
        ("head", "reason"), [("a,b\n", "has Timestamp"), ("Timestamp,load\n", "--twin"), ("", "has Timestamp")]
    )
    def test_another_file_is_refused_with_the_way_out(self, head: str, reason: str):
        with pytest.raises(InvalidInput, match=reason):
            list(read_thingsboard([head], Names()))


def run(*words: str | Path) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


class TestCommands:
    def export(self, folder: Path) -> Path:
        lines = [
            f"spindle,machine=m{i % 2} load={i},on={'t' if i % 3 else 'f'} {1_700_000_000 + i}" for i in range(1_000)
        ]
        path = folder / "export.lp.gz"
        path.write_bytes(gzip.compress("\n".join([*lines, "broken"]).encode()))
        return path

    def test_preview_then_refusal_with_a_proposal_then_load_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.chdir(tmp_path)
        words = ["import", "influx", self.export(tmp_path), "--precision", "s", "--property", "{field}"]
        preview = run("--json", *words, "--dry-run")
        assert preview.exit_code == 0
        shown = json.loads(preview.stdout)
        assert (shown["values"], shown["faults"], shown["properties"][0]["unit"]) == (2_000, 1, "unknown")
        assert not (tmp_path / "plant").exists()

        with pytest.raises(InvalidInput, match="2 twin"):
            app([*map(str, words)], standalone_mode=False)
        assert "kind: boolean" in (tmp_path / "export.plant.yaml").read_text()

        loaded = run("--json", *words, "--apply")
        assert json.loads(loaded.stdout) == {"rows": 2_000, "rejected": 0, "faults": 1, "repeated": False}
        again = run("--json", *words)
        assert json.loads(again.stdout)["repeated"] is True

        span = ["--start", "2023-11-14T00:00:00Z", "--end", "2023-11-16T00:00:00Z"]
        past = run("--json", "history", "m1", "load", *span, "--method", "raw")
        assert "999.0" in past.stdout
