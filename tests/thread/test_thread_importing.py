"""Importing: structures, lists, inspections and logs of others, and whatever may be wrong with them."""

from __future__ import annotations

import zipfile
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemel.configuration import Basis, Standing
from gemel.configuration.operations import Judge
from gemel.errors import InvalidDocument, InvalidInput
from gemel.platform import Platform
from gemel.thread import MeasurementQuery, Node, Thread
from gemel.thread.importing import FilePreview, Preview, load_mapping
from gemel.thread.importing.mapping import ProcessLogSource, fill
from gemel.thread.importing.process_log import Run, runs_of
from gemel.thread.importing.step import instances, text_of
from tests.thread.conftest import node

HEAD = "gemel_mapping: 1\nname: test\n"
STEP = """structures:
- {files: ["*.step"], record: {id: "step-{file|slug}", kind: cad}}
"""
BOM = """boms:
- {files: ["*.csv", "*.xlsx"], record: {id: "bom-{file|slug}", kind: bom, phase: design}}
"""
QIF = """inspections:
- files: ["*.qif"]
  linear: mm
  record: {id: "fai-{serial}", kind: inspection}
  item: {id: "part-{serial}", part: PN-1, serial: "{serial}"}
"""
LOG = """process_logs:
- files: ["*.shdr"]
  machine: mill-1
  item: {id: part-1, part: PN-1, serial: "1"}
  record: {id: log-1, kind: process-log}
  operation: {id: "run-{n}", kind: operation}
  program_record: {id: "nc-{program|slug}", kind: nc-program}
  items: {load: load}
  status: state
  active: [ON]
  stopped: [HOLD]
  ended: [OFF]
  program: program
  opened: opened
  tool: tool
"""


def looked(plant: Platform, folder: Path, mapping: str, **files: str | bytes) -> Preview:
    """What would become of these files."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return plant.imports.preview(folder, load_mapping(HEAD + mapping))


def only(preview: Preview) -> FilePreview:
    (one,) = preview.files
    return one


def faults(preview: Preview, level: str = "error") -> list[str]:
    return [f"{one.place}: {one.message}" for file in preview.files for one in file.faults if one.level == level]


# STEP


def step(*lines: str) -> str:
    data = "\n".join(lines)
    return f"ISO-10303-21;\nHEADER;\nENDSEC;\nDATA;\n{data}\nENDSEC;\nEND-ISO-10303-21;\n"


ASSEMBLY = step(
    "#1=PRODUCT('GEARBOX','Gearbox; (\\X2\\00DF\\X0\\)','',(#9));",
    "#2=PRODUCT('SEAL''S','Seal','',(#9));",
    "#3=PRODUCT_DEFINITION_FORMATION('C','',#1);",
    "#4=PRODUCT_DEFINITION_FORMATION_WITH_SPECIFIED_SOURCE('A','',#2,.NOT_KNOWN.);",
    "#5=PRODUCT_DEFINITION('d','',#3,#9);",
    "#6=PRODUCT_DEFINITION('d','',\n #4,#9);",
    "#7=NEXT_ASSEMBLY_USAGE_OCCURRENCE('1','Seal:1','',#5,#6,'S1');",
    "#8=NEXT_ASSEMBLY_USAGE_OCCURRENCE('2','Seal:2','',#5,#6,'S2');",
    "#10=CARTESIAN_POINT('',(0.,0.,1.E-3));",
)


def test_a_step_file_tells_which_part_is_where_in_which_revision(plant: Platform, tmp_path: Path) -> None:
    (tmp_path / "g.step").write_text(ASSEMBLY)
    done = plant.imports.carry_out(tmp_path, load_mapping(HEAD + STEP))
    assert (only(done).parts, only(done).records) == (2, 1)
    seal = plant.thread.follow(node("part:SEAL'S"))
    slots = {(one.node.id, one.node.sub) for one in seal.reached if one.node.kind == "slot"}
    assert slots == {("part:GEARBOX", "S1"), ("part:GEARBOX", "S2")}
    assert Node(kind="part", id="GEARBOX") in {one.node for one in seal.reached}
    links = plant.thread.links(node("record:step-g-step"))
    assert {(str(one.target), one.origin.place if one.origin else "") for one in links} == {
        ("part:GEARBOX#C", "#5"),
        ("part:SEAL'S#A", "#6"),
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("solid cube", "does not begin with ISO-10303-21"),
        (ASSEMBLY[:-30], "cut short"),
        (step("#1=CARTESIAN_POINT('',(0.,0.));"), "no product"),
        (step("#1=PRODUCT('A','A','',(#9);"), "does not end"),
        (step("#1=PRODUCT('A" + "(" * 500), "does not end"),
        (step("#1=PRODUCT" + "(" * 500 + ")" * 500 + ";"), "too deep"),
        (
            step("#1=PRODUCT();#2=PRODUCT_DEFINITION_FORMATION('','',#1);#3=PRODUCT_DEFINITION('','',#2,#9);"),
            "the product of this definition has no name",
        ),
        (step("#1=PRODUCT('A','A','',());#3=PRODUCT_DEFINITION();"), "the product of this definition is not in"),
        (
            step(
                f"#1=PRODUCT('{'A' * 400}','A','',());#2=PRODUCT_DEFINITION_FORMATION('','',#1);"
                "#3=PRODUCT_DEFINITION('','',#2,#9);"
            ),
            "1 to 200 characters, not 400",
        ),
        (
            step(
                "#1=PRODUCT('A','','',());#2=PRODUCT_DEFINITION_FORMATION('','',#1);"
                "#3=PRODUCT_DEFINITION('','',#2,#9);#4=NEXT_ASSEMBLY_USAGE_OCCURRENCE('','','',#3,#3,'X');"
            ),
            "within itself",
        ),
    ],
)
def test_a_step_file_that_is_none_is_refused_with_the_reason(
    plant: Platform, tmp_path: Path, content: str, said: str
) -> None:
    (told,) = faults(looked(plant, tmp_path / "f", STEP, g__step=content))
    assert said in told


@given(st.text("#1=PRODUCT(',);\\X2\n0A ", max_size=120))
@settings(max_examples=60)
def test_no_text_makes_the_reader_of_step_fall_over(text: str) -> None:
    with suppress(InvalidInput):  # anything else would be a fault of ours
        for _, name, values, line in instances(text):
            assert name.startswith("PRODUCT")
            assert isinstance(values, list)
            assert line >= 1


# bills of material


def workbook(path: Path, rows: list[list[str]]) -> None:
    """The least that is an .xlsx: one sheet of inline texts."""
    cells = "".join(
        "<row>" + "".join(f'<c t="inlineStr"><is><t>{escape(one)}</t></is></c>' for one in row) + "</row>"
        for row in rows
    )
    names = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    main = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    files = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="xml" '
        f'ContentType="{main}.worksheet+xml"/><Default Extension="rels" ContentType="application/vnd.openxmlformats-'
        f'package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="{main}.sheet.main+xml"/>'
        "</Types>",
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook {names} xmlns:r="{office}"><sheets><sheet name="BOM" sheetId="1" r:id="r1"/>'
        "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f"<worksheet {names}><sheetData>{cells}</sheetData></worksheet>",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{text}')


ROWS = [
    ["Part", "Revision", "Quantity", "Position", "Level"],
    ["MACHINE", "A", "", "", "0"],
    ["DRIVE", "B", "1", "10", "1"],
    ["SCREW", "", "4", "20", "2"],
    ["COVER", "A", "1", "20", "1"],
]


def test_a_csv_list_and_a_workbook_of_the_same_rows_say_the_same(plant: Platform, tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / "a.csv").write_text("\n".join(";".join(row) for row in ROWS), "utf-8")
    workbook(folder / "b.xlsx", ROWS)
    one, two = plant.imports.preview(folder, load_mapping(HEAD + BOM)).files
    assert (one.faults, two.faults) == ((), ())
    assert one.parts == two.parts == 3
    declares = load_mapping(HEAD + BOM.replace("boms:\n- {", "boms:\n- {book: true, "))
    assert "MACHINE" in plant.imports.preview(folder, declares).book
    plant.imports.carry_out(folder, declares)
    drive = plant.configuration.parts.part("DRIVE")
    assert [(slot.slot, slot.count) for slot in drive.slots] == [("20", 4)]
    assert [(rule.slot, rule.part) for rule in drive.rules] == [("20", "SCREW")]
    assert [one.revision for one in drive.revisions] == ["B"]
    assert plant.imports.preview(folder, declares).book == ""
    screw = plant.thread.follow(node("part:SCREW"), plant.thread.asked(depth=4))
    assert Node(kind="part", id="MACHINE") in {each.node for each in screw.reached}


def test_quotes_within_quotes_are_read_wherever_in_a_list_they_come_first(plant: Platform, tmp_path: Path) -> None:
    rows = ["part,revision,position,parent", '"TOP, whole",A,,', *(f'"N-{n}",,{n},"TOP, whole"' for n in range(2000))]
    found = looked(plant, tmp_path / "f", BOM, a__csv="\n".join([*rows, '"TUBE 2""",,tube,TUBE 2"']))
    assert (faults(found), only(found).parts) == (['line 2003: TUBE 2" would be within itself'], 2000)


def test_a_part_at_two_revisions_is_taken_and_each_slot_takes_its_own(plant: Platform, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "part,revision,position,parent\nPRESS,A,,\nVALVE,1,left,PRESS\nVALVE,2,right,PRESS\n"
        "BOX,A,box,PRESS\nNUT,,10,BOX\nBOX,B,box-2,PRESS\nNUT,,20,BOX\nFOOT,,foot,PRESS\n"
    )
    declares = load_mapping(HEAD + BOM.replace("boms:\n- {", "boms:\n- {book: true, "))
    done = plant.imports.carry_out(tmp_path, declares)
    assert (only(done).faults, only(done).parts) == ((), 7)
    press, box = (plant.configuration.parts.part(part) for part in ("PRESS", "BOX"))
    rules = {(rule.slot, rule.part, rule.revisions) for rule in press.rules}
    assert {("left", "VALVE", ("1",)), ("right", "VALVE", ("2",)), ("foot", "FOOT", ())} < rules
    assert {(rule.slot, rule.of) for rule in box.rules} == {("10", ("A",)), ("20", ("B",))}
    assert [one.revision for one in plant.configuration.parts.part("VALVE").revisions] == ["1", "2"]
    assert plant.imports.preview(tmp_path, declares).book == ""
    record = {str(link.target) for link in plant.thread.links(node("record:bom-a-csv"))}
    assert {"part:VALVE#1", "part:VALVE#2"} < record


@pytest.mark.parametrize("wrong", ["\\X4\\FFFFFFFF\\X0\\", "\\X2\\D800\\X0\\", "\\X\\00"])
def test_what_no_text_can_hold_is_not_in_the_name_of_a_product(wrong: str) -> None:
    ((_, _, values, _),) = instances(step(f"#1=PRODUCT('A{wrong}B','','',());"))
    told = text_of(values, 0)
    assert (told[0], told[-1], "\0" in told) == ("A", "B", False)
    assert told.encode()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("part,parent\nA,\n,A\n", "line 3: part is empty"),
        ("part,parent,quantity\nA,,\nB,A,many\n", "line 3: quantity 'many' is no number"),
        ("part,parent,quantity\nA,,\nB,A,-1\n", "more than 0, not -1"),
        ("part,parent\nA,\nB,A\nA,B\n", "line 4: A would be within itself"),
        ("part,parent,position\nA,,\nB,A,10\nC,A,10\n", "position 10 of A is taken by B at line 3"),
        ("part,level\nA,0\nB,2\n", "one between is missing"),
        ("part,parent,revision\nA,,\nB,A,1\nB,A,2\n", "position B of A is taken by B at line 3"),
        ("nothing,here\n1,2\n", "there is no column 'part'"),
        ("part,colour\nA,red\n", "says what is within what"),
        ("part,parent\n", "no row below the heading"),
        ("part,level\nA," + "9" * 5_000 + "\n", "is no number"),
        (b"part,parent\nP\xfcmpe,\n", "line 2 has b'\\xfc', which is no UTF-8"),
        ('part,parent\n"A,\nB,A', "unexpected end of data"),
        ('part,parent\n"A\nB",\n', "has characters that cannot be written"),
    ],
)
def test_each_wrong_row_of_a_list_is_told_with_its_line(
    plant: Platform, tmp_path: Path, rows: str | bytes, said: str
) -> None:
    assert any(said in one for one in faults(looked(plant, tmp_path / "f", BOM, a__csv=rows)))


def test_a_file_that_only_calls_itself_a_workbook_is_refused(plant: Platform, tmp_path: Path) -> None:
    (told,) = faults(looked(plant, tmp_path / "f", BOM, a__xlsx=b"PK\x03\x04 no workbook"))
    assert "the workbook cannot be read" in told


# inspections


def qif(serials: list[str], *, value: str = "10.1", unit: str = "", status: str = "PASS") -> str:
    results, components = "", ""
    for number, serial in enumerate(serials):
        results += (
            f'<MeasurementResults id="r{number}"><MeasuredCharacteristics><CharacteristicActuals>'
            f'<DiameterCharacteristicActual id="m{number}"><Status><CharacteristicStatusEnum>{status}'
            f"</CharacteristicStatusEnum></Status><CharacteristicItemId>3</CharacteristicItemId><Value>{value}</Value>"
            "</DiameterCharacteristicActual></CharacteristicActuals></MeasuredCharacteristics>"
            f"<ActualComponentIds><Id>c{number}</Id></ActualComponentIds></MeasurementResults>\n"
        )
        told = f"<SerialNumber>{serial}</SerialNumber>" if serial else ""
        components += f'<ActualComponent id="c{number}">{told}</ActualComponent>'
    units = (
        f"<FileUnits><PrimaryUnits><LinearUnit><UnitName>{unit}</UnitName></LinearUnit></PrimaryUnits></FileUnits>"
        if unit
        else ""
    )
    return (
        f'<QIFDocument xmlns="http://qifstandards.org/xsd/qif2">{units}'
        '<DiameterCharacteristicDefinition id="1"><Tolerance><MaxValue>0.2</MaxValue><MinValue>-0.2</MinValue>'
        "<DefinedAsLimit>false</DefinedAsLimit></Tolerance></DiameterCharacteristicDefinition>"
        '<DiameterCharacteristicNominal id="2"><CharacteristicDefinitionId>1</CharacteristicDefinitionId>'
        "<TargetValue>10</TargetValue></DiameterCharacteristicNominal>"
        '<DiameterCharacteristicItem id="3"><Name>D1</Name><CharacteristicNominalId>2</CharacteristicNominalId>'
        f"</DiameterCharacteristicItem>{results}{components}</QIFDocument>"
    )


def test_what_is_out_of_tolerance_opens_a_nonconformance_once_which_stays_as_it_is_judged(
    plant: Platform, tmp_path: Path
) -> None:
    known, mapping = plant.configuration, load_mapping(HEAD + QIF.replace("part-", "bad-").replace("fai-", "check-"))
    (tmp_path / "a.qif").write_text(qif(["71"], unit="mm", value="10.25", status="FAIL"))
    plant.imports.carry_out(tmp_path, mapping, actor="user-1")
    (one,) = known.nonconformances("bad-71")
    assert (one.item, one.rule, one.level, one.state) == ("bad-71", "raised", "concession", "open")
    assert (one.text, one.evidence) == ("D1: 10.25 mm, 0.05 mm out of 9.8 … 10.2", "record:check-71")
    assert [threat.text for threat in known.threats("bad-71")] == [one.text]
    said = Judge(nonconformance=one.number, state=Standing.CLOSED, at=plant.clock.now())
    known.do(said, basis=Basis(reason="reworked"))
    (tmp_path / "a.qif").write_text(qif(["71"], unit="mm", value="10.3", status="FAIL"))  # read again, mended
    plant.imports.carry_out(tmp_path, mapping)
    assert [each.state for each in known.nonconformances("bad-71")] == ["closed"]
    quiet = load_mapping(HEAD + QIF.replace("part-", "mute-") + '  raises: ""\n')
    (tmp_path / "a.qif").write_text(qif(["72"], unit="mm", value="10.3", status="FAIL"))
    plant.imports.carry_out(tmp_path, quiet)
    assert known.nonconformances("mute-72") == []


def test_what_a_stop_kept_from_being_raised_is_raised_when_the_file_comes_again_and_one_fault_hinders_no_other(
    plant: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, mapping = plant.configuration, load_mapping(HEAD + QIF.replace("part-", "cut-").replace("fai-", "cut-"))
    (tmp_path / "a.qif").write_text(qif(["81", "82", "83"], unit="mm", value="10.25", status="FAIL"))

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as stopped:
        stopped.setattr("gemel.thread.importing.taking.raise_failed", stop)
        with pytest.raises(KeyboardInterrupt):
            plant.imports.carry_out(tmp_path, mapping)
    known.retire("cut-82", known.tree("cut-82").item.born)
    done = plant.imports.carry_out(tmp_path, mapping)
    assert only(done).repeated
    assert [len(known.nonconformances(f"cut-{serial}")) for serial in (81, 82, 83)] == [1, 0, 1]
    (fault,) = only(done).faults
    assert (fault.level, "cut-82 was retired" in fault.message) == ("note", True)


def test_tolerances_about_the_nominal_become_bounds(plant: Platform, tmp_path: Path) -> None:
    (tmp_path / "a.qif").write_text(qif(["7"], unit="mm"))
    plant.imports.carry_out(tmp_path, load_mapping(HEAD + QIF))
    (one,) = plant.thread.measurements(MeasurementQuery(items=("part-7",))).items
    assert (one.nominal, one.lower, one.upper, one.value, one.unit, one.status) == (10, 9.8, 10.2, 10.1, "mm", "pass")
    assert one.origin is not None
    assert one.origin.place.endswith("//*[@id='m0']")
    again = qif(["7"], unit="mm", value="10.15")
    (tmp_path / "a.qif").write_text(again)
    plant.imports.carry_out(tmp_path, load_mapping(HEAD + QIF))
    (two,) = plant.thread.measurements(MeasurementQuery(items=("part-7",))).items
    assert two.value == 10.15  # what was measured anew is believed; the other still stands in what was known then
    (then,) = plant.thread.measurements(MeasurementQuery(items=("part-7",)), known=one_recorded(plant, one.act)).items
    assert then.value == 10.1


def one_recorded(plant: Platform, act: int) -> int:
    return plant.thread.said([act])[act].recorded


BOMB = (
    '<!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><QIFDocument>&c;</QIFDocument>'
)
OUTSIDE = '<!DOCTYPE q [<!ENTITY x SYSTEM "file:///etc/passwd">]><QIFDocument>&x;</QIFDocument>'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (BOMB, "DOCTYPE"),
        (OUTSIDE, "DOCTYPE"),
        ("<QIFDocument", "line 1"),
        ("<other/>", "no QIFDocument"),
        (qif(["1", "1"]), "serial number 1 is measured twice"),
        (qif(["1"], unit="inch"), "the file is in [in_i], and the mapping says mm"),
        (qif(["1"], unit="furlong"), "'furlong' is not known"),
        (qif(["1"], value="wide"), "'wide' is no number"),
        (qif([""]), "no measurement results of a component with a serial number"),
    ],
)
def test_a_hostile_or_wrong_inspection_is_refused_with_the_place(
    plant: Platform, tmp_path: Path, content: str, said: str
) -> None:
    found = looked(plant, tmp_path / "f", QIF, a__qif=content)
    assert any(said in one for one in faults(found)), found.files
    with pytest.raises(InvalidDocument):
        plant.imports.carry_out(tmp_path / "f", load_mapping(HEAD + QIF))


def test_a_file_of_too_many_tags_is_refused_before_it_takes_the_memory(
    plant: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gemel.safe_xml.MAX_NODES", 1_000)
    found = looked(plant, tmp_path / "f", QIF, a__qif="<QIFDocument>" + "<a/>" * 1_000 + "</QIFDocument>")
    assert any("some 1002 tags and attributes; at most 1000" in one for one in faults(found)), found.files


def test_what_can_be_taken_in_all_the_same_is_noted(plant: Platform, tmp_path: Path) -> None:
    found = looked(plant, tmp_path / "f", QIF, a__qif=qif(["1", ""], value="10.5"))
    assert found.errors == 0
    assert any("names no LinearUnit; mm is taken" in one for one in faults(found, "note"))
    assert any("10.5 in 9.8 … 10.2 is told as pass" in one for one in faults(found, "note"))
    assert any("has no serial number" in one for one in faults(found, "left out"))


# logs of machines


def test_a_line_that_says_nothing_refuses_the_log_or_is_left_out_as_the_mapping_says(
    plant: Platform, tmp_path: Path
) -> None:
    lines = "2026-01-01T00:00:00Z|state|ON\n2026\n2026-01-01T00:01:00Z|load|high\n2026-01-01T00:02:00Z|state|OFF\n"
    strict = looked(plant, tmp_path / "f", LOG, a__shdr=lines)
    assert faults(strict) == ["line 2: '2026' is no line of time|name|value"]
    skip = LOG.replace("  machine:", "  faults: skip\n  machine:")
    mild = looked(plant, tmp_path / "f", skip)
    assert mild.errors == 0
    assert faults(mild, "left out") == [
        "line 2: '2026' is no line of time|name|value",
        ": mill-1.load: 'high' is no number",
    ]


def test_the_mark_before_a_text_of_utf_8_is_no_fault(plant: Platform, tmp_path: Path) -> None:
    lines = "2026-01-01T00:00:00Z|state|ON\n2026-01-01T00:02:00Z|state|OFF\n"
    marked = looked(plant, tmp_path / "f", LOG, a__shdr=b"\xef\xbb\xbf" + lines.encode())
    assert (marked.errors, only(marked).left_out) == (0, 0)


def test_a_file_of_which_a_stop_cut_off_what_is_less_sure_is_taken_in_whole_when_it_comes_again(
    plant: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = LOG.replace("part-1", "halved").replace("log-1", "halved").replace("run-", "halved-")
    log = log.replace('serial: "1"', 'serial: "halved"').replace("nc-{", "nc-halved-{")
    (tmp_path / "a.shdr").write_text(
        "2026-02-01T00:00:00Z|opened|O77\n2026-02-01T00:00:01Z|state|ON\n2026-02-01T00:01:00Z|state|OFF\n"
    )
    mapping, say, said = load_mapping(HEAD + log), Thread.say, []

    def stop(*given: Any, **more: Any) -> Any:
        said.append(given)
        if len(said) == 2:
            raise KeyboardInterrupt
        return say(*given, **more)

    with monkeypatch.context() as stopped:
        stopped.setattr(Thread, "say", stop)
        with pytest.raises(KeyboardInterrupt):
            plant.imports.carry_out(tmp_path, mapping)
    assert not only(plant.imports.preview(tmp_path, mapping)).repeated
    plant.imports.carry_out(tmp_path, mapping)
    assert {link.kind for link in plant.thread.links(node("record:halved-1"))} >= {"made", "executed"}
    assert only(plant.imports.carry_out(tmp_path, mapping)).repeated


SOURCE = load_mapping(HEAD + LOG).process_logs[0]


def run(*told: tuple[str, str], source: ProcessLogSource = SOURCE) -> list[Run]:
    """Runs of a log with a minute between the lines."""
    rows = [(n + 1, n * 60_000_000, name, value) for n, (name, value) in enumerate(told)]
    return runs_of(rows, source)


def test_a_stop_belongs_to_a_run_unless_another_program_runs_after_it() -> None:
    goes_on = run(("state", "ON"), ("program", "A"), ("state", "HOLD"), ("state", "ON"), ("state", "OFF"))
    assert [(one.program, one.complete) for one in goes_on] == [("A", True)]
    other = run(
        ("state", "ON"), ("program", "A"), ("state", "HOLD"), ("opened", "B"), ("state", "ON"), ("state", "OFF")
    )
    assert [(one.program or one.opened, one.complete) for one in other] == [("A", False), ("B", True)]


def test_a_log_that_begins_in_the_middle_says_so() -> None:
    (cut,) = run(("tool", "1"), ("tool", "2"), ("state", "OFF"))
    assert (cut.cut, cut.complete, cut.tools, cut.start) == (True, True, ["1", "2"], 0)


STATES = st.lists(
    st.one_of(
        st.tuples(st.just("state"), st.sampled_from(["ON", "HOLD", "OFF"])),
        st.tuples(st.sampled_from(["program", "opened"]), st.sampled_from(["A", "B"])),
        st.tuples(st.just("tool"), st.sampled_from(["0", "1", "2"])),
    ),
    max_size=30,
)


@given(STATES)
@settings(max_examples=60)
def test_runs_follow_one_another_and_only_the_last_may_be_open(told: list[tuple[str, str]]) -> None:
    found = run(*told)
    for one, two in pairwise(found):
        assert one.start < one.end <= two.start
    assert all(one.start < one.end for one in found)
    assert sum(one.complete for one in found) <= sum(one == ("state", "OFF") for one in told)


# mappings


def test_every_fault_of_a_mapping_has_its_line_and_field() -> None:
    text = HEAD + (
        "files:\n"
        "- {files: [a], name: '(', record: {id: x, kind: cad}}\n"
        "- {files: [a], record: {id: '{part|of:parts}', kind: cad}}\n"
        "- {files: [a], recrod: {id: x, kind: cad}}\n"
    )
    with pytest.raises(InvalidDocument) as refused:
        load_mapping(text)
    told = [(one.line, one.field) for one in refused.value.problems]
    assert (6, "files[2].recrod") in told
    with pytest.raises(InvalidDocument, match="no regular expression"):
        load_mapping(HEAD + "files:\n- {files: [a], name: '(', record: {id: x, kind: cad}}\n")
    with pytest.raises(InvalidDocument, match="there is no table 'parts'"):
        load_mapping(HEAD + "files:\n- {files: [a], record: {id: '{part|of:parts}', kind: cad}}\n")


def test_a_template_is_filled_by_fields_filters_and_tables() -> None:
    told = fill(
        "{part|of:names}-{serial|number}/{month|two}",
        {"part": "Box", "serial": "007", "month": "3"},
        {"names": {"Box": "BX"}},
    )
    assert told == "BX-7/03"
