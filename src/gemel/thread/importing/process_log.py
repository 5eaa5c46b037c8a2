"""Logs of machines at work on one item (MTConnect SHDR, lines of `time|name|value`): readings, runs of programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from gemel.clock import SECOND, parse_time
from gemel.errors import InvalidInput, InvalidTime
from gemel.thread.importing.found import Given, Level, Program, Sure, record_node
from gemel.thread.importing.mapping import ProcessLogSource
from gemel.thread.nodes import Node, NodeKind
from gemel.thread.values import RecordSpec

__all__ = ["Run", "read_process_log", "runs_of"]

_AT_ONCE_S = 2
"""A program's name comes so soon after it begins to run."""
_UNKNOWN = {"UNAVAILABLE", ""}
_OPENED = (0.6, "the log names it only as the program that was opened at the control just before")
_OPENED_ALIKE = (0.8, "it was opened at the control just before, and the tools are those of its list or of another run")
_OTHER_TOOLS = (0.5, "the log names it, but the file of this name lists other tools than were used")
_BY_TOOLS = (0.7, "the log names no program; the tools are in just the order of this one's list or of another run")


@dataclass(slots=True)
class Run:
    """One run of a program, from when it began to work until it was over."""

    start: int
    first: int
    """Line."""
    end: int = 0
    last: int = 0
    program: str = ""
    opened: str = ""
    tools: list[str] = field(default_factory=list)
    complete: bool = False
    """The log says that the program was over."""
    cut: bool = False
    """It had begun before the log did."""


def read_process_log(given: Given, source: ProcessLogSource) -> Callable[[], None]:
    """Its readings, as those of the machine's twin, and its runs, as records. Raises InvalidInput.

    Returns what is left to be done once all logs are read: only then it is known with which tools which program runs.
    """
    found = given.found
    machine = given.text(source.machine)
    item = given.item(source.item)
    log = given.record(source.record)
    rows = _rows(given)
    if not rows:
        raise InvalidInput("no line says a time, a name and a value")
    unmapped: dict[str, int] = {}
    for _, time, name, value in rows:
        if name not in source.items:
            unmapped[name] = unmapped.get(name, 0) + 1
        elif value not in _UNKNOWN:
            found.readings.append((machine, source.items[name], time, value))
    for name, count in sorted(unmapped.items()):
        found.fault("", f"{count} lines of {name!r:.60} are not taken in: the mapping does not name it", "note")
    found.items.append((item, parse_time(source.item.born)))
    found.records.append((log, ""))
    given.say("describes", record_node(log.id), Node(kind=NodeKind.ITEM, id=item.id), "")
    for link in source.links:
        given.link(link, log.id, "")
    runs = runs_of(rows, source)
    for run in runs:
        if run.program and run.complete and run.tools and not run.cut:
            known = given.programs.get(run.program)
            if known is None:
                more = {"program": run.program, "n": "", "tools": ", ".join(run.tools)}
                known = Program(record=given.record(source.program_record, **more).id)
            ran = known.ran | {tuple(run.tools)}
            given.programs[run.program] = msgspec.structs.replace(known, ran=ran)

    def later() -> None:
        for number, run in enumerate(runs, 1):
            _say(given, source, run, (str(number), machine, item.id, log))

    return later


def _rows(given: Given) -> list[tuple[int, int, str, str]]:
    """(line, time, name, value) of what can be read."""
    rows: list[tuple[int, int, str, str]] = []
    level: Level = "error" if given.source.faults == "refuse" else "left out"
    before = back = 0
    for number, line in given.lines():
        if not line.strip():
            continue
        told, bar, rest = line.partition("|")
        name, second, value = rest.partition("|")
        try:
            if not bar or not second or not name:
                raise InvalidInput("no time|name|value")
            time = parse_time(told)
        except (InvalidInput, InvalidTime):
            given.found.fault(f"line {number}", f"{line!r:.60} is no line of time|name|value", level)
            continue
        back += time < before
        before = max(before, time)
        rows.append((number, time, name.strip(), value.strip()))
    if back:
        given.found.fault("", f"{back} lines are of an earlier time than one before them", "note")
    return rows


def runs_of(rows: list[tuple[int, int, str, str]], source: ProcessLogSource) -> list[Run]:
    """The runs that a log tells of.

    A run begins when the machine becomes active, and is over when it says so; a stop belongs to it, unless another
    program runs when the machine goes on. What comes before the first status belongs to a run that began earlier, if
    that status is not its beginning.
    """
    runs: list[Run] = []
    now: Run | None = None
    opened = ""
    stopped = False
    resumed = (0, 0)
    first = next(((name, value) for _, _, name, value in rows if name == source.status), ("", ""))
    if first[1] and first[1] not in source.active:
        now = Run(rows[0][1], rows[0][0], cut=True)
        runs.append(now)
    for line, time, name, value in rows:
        if name == source.status:
            if value in source.active:
                if now is None or (stopped and opened and opened not in (now.program, now.opened)):
                    now = Run(time, line, opened=opened)
                    runs.append(now)
                    opened = ""
                stopped, resumed = False, (time, line)
            elif value in source.stopped:
                stopped = True
            if now is not None:
                now.end, now.last = time, line
            if now is not None and value in source.ended:
                now.complete, now, stopped = True, None, False
            continue
        if name == source.opened:
            opened = value
        elif name == source.program and value not in _UNKNOWN:
            if now is None:
                opened = value
            elif not now.program:
                now.program = value
            elif value != now.program:
                start, at = resumed if time - resumed[0] < _AT_ONCE_S * SECOND else (time, line)
                now.end, now.last = start, at
                now = Run(start, at, program=value)
                runs.append(now)
        elif name == source.tool and now is not None:
            tool = value.partition(".")[0]
            if tool not in source.no_tool and tool not in _UNKNOWN and (not now.tools or now.tools[-1] != tool):
                now.tools.append(tool)
        if now is not None:
            now.end, now.last = time, line
    return [run for run in runs if run.end > run.start]


def _say(given: Given, source: ProcessLogSource, run: Run, of: tuple[str, str, str, RecordSpec]) -> None:
    number, machine, item, log = of
    place = f"lines {run.first}-{run.last}"
    program, sure = _program(given, run, place)
    more = {"n": number, "program": program, "tools": ", ".join(run.tools)}
    spec = given.record(source.operation, **more)
    spec.attributes["tools"] = list(dict.fromkeys(run.tools))
    spec.attributes["complete"] = run.complete
    if run.cut:
        spec.attributes["began_before_the_log"] = True
    if source.tool in source.items:
        spec.attributes["tool_property"] = source.items[source.tool]
    if source.readings:
        spec.attributes["readings"] = list(source.readings)
    given.found.records.append((spec, place))
    me = record_node(spec.id)
    given.say("made", me, Node(kind=NodeKind.ITEM, id=item), place)
    given.say("ran_on", me, Node(kind=NodeKind.TWIN, id=machine, start=run.start, end=run.end), place)
    given.say("contains", record_node(log.id), me, place)
    if not program:
        given.found.fault(place, "nothing says which program ran", "note")
        return
    known = given.programs.get(program)
    if known is None or not (known.tools or known.record in given.filed):
        told = given.record(source.program_record, **more)
        if known is None:
            known = given.programs[program] = Program(record=told.id)
        given.found.records.append((told, place))
        given.found.fault(place, f"there is no file of program {program}; the log alone names it", "note")
    elif known.tools and run.tools and list(known.tools) != run.tools:
        listed = ", ".join(known.tools)
        told_by = f"the file of {program} lists the tools {listed}, this run used {', '.join(run.tools)}"
        given.found.fault(place, f"{told_by}: it may not be what ran", "note")
        if run.complete:
            sure = min(sure, _OTHER_TOOLS)
    given.say("executed", me, record_node(known.record), place, sure)


def _program(given: Given, run: Run, place: str) -> tuple[str, Sure]:
    """The program that ran, and how sure that is: as the log says, or as it was opened, or as the tools show."""
    if run.program:
        return run.program, (1.0, "")
    tools = tuple(run.tools)
    several = len(tools) > 1 and run.complete and not run.cut  # one tool alone tells of no program
    alike = [name for name, one in given.programs.items() if several and (tools == one.tools or tools in one.ran)]
    if run.opened not in _UNKNOWN:
        if run.opened in alike:
            return run.opened, _OPENED_ALIKE
        known = given.programs.get(run.opened)
        if known is None or not known.ran or not tools:
            return run.opened, _OPENED
        given.found.fault(place, f"{run.opened} was opened before, but runs of it used other tools", "note")
    if len(alike) == 1:
        return alike[0], _BY_TOOLS
    if len(alike) > 1:
        given.found.fault(place, f"the tools are those of {len(alike)} programs: {', '.join(alike)}", "note")
    return "", (1.0, "")
