"""Workbooks of others: what is in them, and those that are made to be too much."""

from __future__ import annotations

import resource
import zipfile
from datetime import date, datetime, time
from pathlib import Path

import pytest

from gemel.errors import InvalidInput
from gemel.services.work.exchange.declared import Pull
from gemel.services.work.exchange.files import rows_of
from gemel.thread.importing.bom import read_bom
from gemel.thread.importing.found import Given
from gemel.thread.importing.mapping import BomSource, load_mapping
from gemel.workbooks import read_sheet
from tests.thread.test_thread_importing import workbook

CORNERS = (
    b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'  # 17 * 10^9 cells
)
MAPPING = "gemel_mapping: 1\nname: test\nboms:\n- {files: ['*.xlsx'], record: {id: list, kind: bom}}\n"


def filled(path: Path, cells: bytes) -> Path:
    """A workbook with these cells."""
    workbook(path, [])
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data.replace(b"<sheetData>", b"<sheetData>" + cells))
    return path


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (CORNERS, "1,024 MB"),
        (b'<row r="1"><c r="A1"><v>1</v></c></row><row r="200001"><c r="A200001"><v>1</v></c></row>', "200,000 rows"),
        (b'<row r="1"><c r="XFD1"><v>1</v></c><c r="A1"/></row><row r="300"><c r="A300"><v>1</v></c></row>', "columns"),
    ],
)
def test_a_workbook_of_a_kilobyte_does_not_take_the_platforms_memory(
    tmp_path: Path, cells: bytes, message: str
) -> None:
    path = filled(tmp_path / "a.xlsx", cells)
    assert path.stat().st_size < 4096
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InvalidInput, match=message):
        list(rows_of(path, Pull(folder="inbox/a")))
    mapping = load_mapping(MAPPING)
    (source,) = mapping.boms
    assert isinstance(source, BomSource)
    with pytest.raises(InvalidInput, match=message):
        read_bom(Given(path, "a.xlsx", source, mapping, "bom"), source)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_what_unpacks_to_more_than_is_allowed_ends_in_its_own_process(tmp_path: Path) -> None:
    path = filled(tmp_path / "a.xlsx", b'<row r="1">' + b"<c><v>1</v></c>" * 1_000_000 + b"</row>")
    assert path.stat().st_size < 200_000
    with pytest.raises(InvalidInput, match="needs more than 60 MB"):
        read_sheet(path, memory_mb=60)


def test_cells_come_as_what_they_are(tmp_path: Path) -> None:
    texts = b'<c r="A2" t="inlineStr"><is><t>=1+1</t></is></c>'
    others = b'<c r="B2"><v>1.5</v></c><c r="C2" t="b"><v>1</v></c><c r="E2" t="d"><v>2026-05-01T10:00:00</v></c>'
    sheet = read_sheet(filled(tmp_path / "a.xlsx", b'<row r="2">' + texts + others + b"</row>"))
    assert (sheet.name, sheet.first) == ("BOM", 2)
    assert sheet.rows == [["=1+1", 1.5, True, "", datetime(2026, 5, 1, 10)]]
    with pytest.raises(InvalidInput, match="there are BOM"):
        read_sheet(tmp_path / "a.xlsx", "other")
    (tmp_path / "b.xls").write_bytes(b"no workbook")
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_sheet(tmp_path / "b.xls")


OPEN = "urn:oasis:names:tc:opendocument:xmlns"
ODS = (
    f'<office:document-content xmlns:office="{OPEN}:office:1.0" xmlns:table="{OPEN}:table:1.0"><office:body>'
    '<office:spreadsheet><table:table table:name="S"><table:table-row><table:table-cell office:value-type="date" '
    'office:date-value="2026-05-01"/><table:table-cell office:value-type="time" office:time-value="PT01H30M00S"/>'
    "</table:table-row></table:table></office:spreadsheet></office:body></office:document-content>"
)


def test_dates_and_times_of_an_open_document_are_dates_and_times(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.ods", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", f'<m:manifest xmlns:m="{OPEN}:manifest:1.0"></m:manifest>')
        archive.writestr("content.xml", ODS)
    sheet = read_sheet(tmp_path / "a.ods")
    assert sheet.rows == [[date(2026, 5, 1), time(1, 30)]]
