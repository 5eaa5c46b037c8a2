"""Imports of history: line protocol by property, ThingsBoard's shapes, and the commands as a new user runs them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from gemel.cli import app
from gemel.clock import parse_time
from gemel.connectors.archives import Names, gather, plant_of, read_influx, read_thingsboard
from gemel.connectors.archives.gathering import Fault, Value
from gemel.connectors.archives.influx import parse_line
from gemel.errors import InvalidInput
from gemel.twin import Kind

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\n\r\\", min_codepoint=32), min_size=1, max_size=12)
FIELDS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**53), 2**53),
    st.booleans(),
    st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1, max_size=20),
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
        for one in read_influx([text], Names()):
            assert isinstance(one, Value | Fault)

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
        found = list(read_influx([good, "# a comment\n", "\n", line + "\n", good], Names()))
        assert [type(one) for one in found] == [Value, Fault, Value]
        assert isinstance(found[1], Fault)
        assert found[1].line == 4
        assert reason in found[1].reason

    def test_a_text_may_hold_line_breaks(self):
        lines = [
            'log,host=a msg="one\n',
            'two, \\"three\\"",n=1i 1700000000000000000\n',
            "cpu load=1 1700000000000000000\n",
        ]
        found = [(one.property, one.value) for one in read_influx(lines, Names()) if isinstance(one, Value)]
        assert found == [("log_msg", 'one\ntwo, "three"'), ("log_n", "1"), ("cpu_load", "1")]

    def test_names_come_from_templates_tags_and_a_map(self):
        line = ["cpu,machine=press\\ 7,hall=2 value=1,Load\\ %=2 1700000000\n"]
        plain = list(read_influx(line, Names(), precision="s"))
        assert [(one.twin, one.property) for one in plain if isinstance(one, Value)] == [
            ("2-press-7", "cpu"),
            ("2-press-7", "cpu_load"),
        ]
        names = Names({"press 7": "P7", "Load %": "share"})
        told = list(read_influx(line, names, twin="{machine}", property="{field}", precision="s"))
        assert [(one.twin, one.property) for one in told if isinstance(one, Value)] == [
            ("P7", "value"),
            ("P7", "share"),
        ]
        (fault, *_) = read_influx(line, Names(), twin="{site}", precision="s")
        assert isinstance(fault, Fault)
        assert "no {site}; it has" in fault.reason


class TestThingsBoard:
    def test_a_column_per_key_with_local_times(self):
        lines = ["Timestamp;temperature;active\n", "2024-07-01 12:00:00;21.5;true\n", "2024-07-01 12:00:01;;false\n"]
        found = list(read_thingsboard(lines, Names(), twin="press-7", time_zone="Europe/Berlin"))
        assert [(v.property, v.value, v.kind) for v in found if isinstance(v, Value)] == [
            ("temperature", "21.5", Kind.NUMBER),
            ("active", "true", Kind.BOOLEAN),
            ("active", "false", Kind.BOOLEAN),
        ]
        assert isinstance(found[0], Value)
        assert found[0].time == parse_time("2024-07-01T10:00:00Z")

    def test_a_row_per_value_and_a_column_that_names_the_device(self):
        lines = ["Entity name,key,ts,value\n", "Press 7,Oil Temp,1700000000000,4\n", "Press 8,mode,x,AUTO\n"]
        value, fault = read_thingsboard(lines, Names())
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
