"""What was done to items: told one by one, with the answers of the rules, or many from a file."""

from __future__ import annotations

import csv
import hashlib
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer

from gemel.cli.asked import parsed_value
from gemel.cli.show import output
from gemel.cli.target import target
from gemel.cli.values import moment_of
from gemel.clock import to_rfc3339
from gemel.errors import InvalidInput, RuleBroken

if TYPE_CHECKING:
    from gemel.client import Client

__all__ = ["add_to"]

MOMENTS = {"at", "start", "end", "until"}
NUMBERS = {"act", "amount", "confidence", "uncertainty_s", "quantity", "nonconformance"}
BASIS = {"source", "work_order", "evidence", "confidence", "uncertainty_s", "reason", "key"}
SPEC = {"id", "part", "revision", "maker", "serial", "lot", "kind", "twin", "quantity"}
OPERATIONS = (
    *("adjust", "correct", "create", "identify", "install", "judge", "merge", "modify", "move", "observe", "raise"),
    *("remove", "report", "retire", "split", "swap", "use", "withdraw"),
)
Kind = Literal["hardware", "electrical", "software", "document", "location"]
Grade = Literal["warn", "concession", "block"]
State = Literal["closed", "conceded", "open"]

Time = Annotated[str, typer.Option("--time", help="When it happened; now if left out.")]
WorkOrder = Annotated[str, typer.Option("--work-order", help="By which order.")]
Evidence = Annotated[str, typer.Option("--evidence", help="A photograph, a protocol, a record.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; a correction needs one.")]
Key = Annotated[str, typer.Option("--key", help="The same key again is the same act.")]
Seen = Annotated[bool, typer.Option("--seen", help="It was seen so: what breaks a rule is a nonconformance.")]
Concede = Annotated[str, typer.Option("--concede", help="The reason why you take it upon you that a rule is not kept.")]
ConcedeUntil = Annotated[str, typer.Option("--concede-until", help="Until when; for ever if left out.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would become of it.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
To = Annotated[tuple[str, str] | None, typer.Option("--to", metavar="ITEM SLOT", help="Where it went.")]


def add_to(item: typer.Typer) -> None:
    for command in (create, install, remove, swap, correct, withdraw, do, load):
        item.command(rich_help_panel="What was done")(command)
    item.command("raise", rich_help_panel="What was done")(raise_)
    item.command("judge", rich_help_panel="What was done")(judge)


def create(
    id: Annotated[str, typer.Argument(help="By which it is known here from now on.")],
    part: Annotated[str, typer.Option(help="Part number.")],
    revision: Annotated[str, typer.Option()] = "",
    maker: Annotated[str, typer.Option()] = "",
    serial: Annotated[str, typer.Option()] = "",
    lot: Annotated[str, typer.Option()] = "",
    kind: Annotated[Kind, typer.Option(help="A location is a store, a repair shop, a van.")] = "hardware",
    twin: Annotated[str, typer.Option(help="The twin that is its live face.")] = "",
    time: Time = "",
    key: Key = "",
    dry_run: DryRun = False,
) -> None:
    """Know an item from a moment on.

    Example: gemel item create PUMP-A --part P-7 --revision B --maker Acme --serial 4711
    """
    if not part.strip() and kind != "location":
        raise InvalidInput(f"say of which part {id:.80} is: --part P-7; a store or another place is --kind location")
    spec = {"id": id, "part": part, "revision": revision, "maker": maker, "serial": serial, "lot": lot}
    spec |= {"kind": kind, "twin": twin}
    _say({"do": "create", "spec": spec}, _How(time=time, key=key, dry_run=dry_run), f"{id} is known")


def install(
    child: Annotated[str, typer.Argument(metavar="ITEM")],
    parent: Annotated[str, typer.Argument(metavar="INTO", help="The machine, assembly or store.")],
    slot: str,
    time: Time = "",
    work_order: WorkOrder = "",
    evidence: Evidence = "",
    reason: Reason = "",
    key: Key = "",
    seen: Seen = False,
    concede: Concede = "",
    concede_until: ConcedeUntil = "",
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """An item came into a slot.

    Example: gemel item install PUMP-A M1 pump --time 2026-01-01 --work-order WO-17
    """
    how = _How(time, work_order, evidence, reason, key, seen, concede, concede_until, dry_run, yes)
    _say({"do": "install", "child": child, "parent": parent, "slot": slot}, how, f"{child} is in {slot} of {parent}")


def remove(
    child: Annotated[str, typer.Argument(metavar="ITEM")],
    to: To = None,
    time: Time = "",
    work_order: WorkOrder = "",
    evidence: Evidence = "",
    reason: Reason = "",
    key: Key = "",
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """An item was taken out; `--to STORE shelf` says where to.

    Example: gemel item remove PUMP-A --to STORE shelf-3
    """
    how = _How(time, work_order, evidence, reason, key, dry_run=dry_run, yes=yes)
    _say({"do": "remove", "child": child, "to": to}, how, f"{child} was taken out")


def swap(
    parent: Annotated[str, typer.Argument(metavar="OF", help="The machine or assembly.")],
    slot: str,
    new: Annotated[str, typer.Argument(metavar="NEW", help="The item that was put in.")],
    to: To = None,
    part: Annotated[str, typer.Option(help="NEW is not known yet: its part number. It is known by the same act.")] = "",
    serial: Annotated[str, typer.Option(help="Of one that is not known yet.")] = "",
    revision: Annotated[str, typer.Option(help="Of one that is not known yet.")] = "",
    maker: Annotated[str, typer.Option(help="Of one that is not known yet.")] = "",
    time: Time = "",
    work_order: WorkOrder = "",
    evidence: Evidence = "",
    reason: Reason = "",
    key: Key = "",
    seen: Seen = False,
    concede: Concede = "",
    concede_until: ConcedeUntil = "",
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """What a slot held was taken out and another item put in, at one moment. What the rules say is shown first.

    Example: gemel item swap M1 pump PUMP-B --to STORE shelf-3 --work-order WO-18
    Of one that nobody wrote down before: gemel item swap M1 pump PUMP-C --part P-7 --serial 4713
    """
    how = _How(time, work_order, evidence, reason, key, seen, concede, concede_until, dry_run, yes)
    operation: dict[str, Any] = {"do": "swap", "parent": parent, "slot": slot, "new": new, "to": to}
    if part:
        operation["spec"] = {"id": new, "part": part, "serial": serial, "revision": revision, "maker": maker}
    _say(operation, how, f"{new} is in {slot} of {parent} now")


def correct(
    act: Annotated[int, typer.Argument(help="Its number, as `gemel item acts` tells it.")],
    time: Annotated[str, typer.Argument(help="When it really was.")],
    reason: Annotated[str, typer.Option(help="How you know.")],
    dry_run: DryRun = False,
) -> None:
    """An earlier act was at another moment. What was believed before is kept.

    Example: gemel item correct 8 2026-03-12 --reason "the work report says so"
    """
    _say({"do": "correct", "act": act}, _How(time=time, reason=reason, dry_run=dry_run), f"act {act} is corrected")


def withdraw(
    act: Annotated[int, typer.Argument(help="Its number, as `gemel item acts` tells it.")],
    reason: Annotated[str, typer.Option(help="How you know.")],
    dry_run: DryRun = False,
) -> None:
    """An earlier act was not so. What was believed before is kept."""
    _say({"do": "withdraw", "act": act}, _How(reason=reason, dry_run=dry_run), f"act {act} is not believed any more")


def raise_(
    id: Annotated[str, typer.Argument(metavar="ITEM", help="What is not as it should be, or what has the slot.")],
    reason: Annotated[str, typer.Option(help="What is not as it should be.")],
    slot: Annotated[str, typer.Option(help="It is about this slot of it, whatever is in there.")] = "",
    level: Annotated[
        Grade, typer.Option(help="warn: to be known; concession: to be conceded or mended; block: not to be used so.")
    ] = "concession",
    time: Time = "",
    work_order: WorkOrder = "",
    evidence: Evidence = "",
    key: Key = "",
    concede: Concede = "",
    concede_until: ConcedeUntil = "",
    dry_run: DryRun = False,
) -> None:
    """Raise a nonconformance that no rule tells of; `gemel item nonconformances` lists them.

    Example: gemel item raise PUMP-A --reason "a dent in the flange" --level block --evidence record:NCR-7
    """
    how = _How(time, work_order, evidence, reason, key, False, concede, concede_until, dry_run)
    operation = {"do": "raise", "item": id, "level": level, **({"slot": slot} if slot else {})}
    _say(operation, how, f"{slot} of {id} is not as it should be" if slot else f"{id} is not as it should be")


def judge(
    nonconformance: Annotated[int, typer.Argument(metavar="NUMBER", help="As `gemel item nonconformances` tells it.")],
    state: Annotated[State, typer.Argument(help="How it stands from now on.")],
    reason: Annotated[str, typer.Option(help="Why: how it was mended, why it is conceded.")],
    until: Annotated[str, typer.Option(help="Of a concession: until when; for ever if left out.")] = "",
    time: Time = "",
    evidence: Evidence = "",
    key: Key = "",
    dry_run: DryRun = False,
) -> None:
    """Close a nonconformance, concede it, or open it again.

    Example: gemel item judge 12 closed --reason "reworked, report 88"
    """
    conceded = reason if state == "conceded" else ""
    how = _How(time, "", evidence, reason, key, False, conceded, until, dry_run)
    operation = {"do": "judge", "nonconformance": nonconformance, "state": state}
    _say(operation, how, f"nonconformance {nonconformance} is {state}")


def do(
    operation: Annotated[
        str, typer.Argument(help="move, modify, retire, use, adjust, observe, identify, merge, split …")
    ],
    given: Annotated[list[str] | None, typer.Argument(metavar="[FIELD=VALUE]...", help="child=PUMP-A value=C")] = None,
    time: Time = "",
    work_order: WorkOrder = "",
    evidence: Evidence = "",
    reason: Reason = "",
    key: Key = "",
    seen: Seen = False,
    concede: Concede = "",
    concede_until: ConcedeUntil = "",
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Any operation, by its fields: docs/reference/http.md lists them.

    Examples: gemel item do modify child=PUMP-A name=revision value=C
    · gemel item do use item=M1 kind=hours start=2026-03-01 end=2026-04-01 amount=412
    """
    if operation not in OPERATIONS:
        raise InvalidInput(f"there is no operation {operation!r:.80}; there are {', '.join(OPERATIONS)}")
    fields: dict[str, Any] = {}
    for text in given or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise InvalidInput(f"{text!r:.80} is not FIELD=VALUE, like child=PUMP-A")
        fields[name] = _field(name, value)
    how = _How(time, work_order, evidence, reason, key, seen, concede, concede_until, dry_run, yes)
    _say({"do": operation, **fields}, how, f"{operation} is noted")


def _field(name: str, text: str) -> Any:
    if name in MOMENTS:
        return to_rfc3339(moment_of(text))
    if name == "to":
        return text.split("/", 1)
    if name in NUMBERS and not isinstance(parsed_value(text), int | float):
        raise InvalidInput(f"{name} is a number, not {text!r:.80}")
    return parsed_value(text) if name in NUMBERS or text.startswith(("{", "[")) else text


class _How(msgspec.Struct):
    """On what an operation rests, and how it is done."""

    time: str = ""
    work_order: str = ""
    evidence: str = ""
    reason: str = ""
    key: str = ""
    seen: bool = False
    concede: str = ""
    concede_until: str = ""
    dry_run: bool = False
    yes: bool = False

    def basis(self) -> dict[str, Any]:
        told = {"work_order": self.work_order, "evidence": self.evidence, "reason": self.reason, "key": self.key}
        return {name: value for name, value in {**told, "seen": self.seen}.items() if value}

    def concession(self) -> dict[str, Any] | None:
        if not self.concede:
            return None
        until = {"until": to_rfc3339(moment_of(self.concede_until))} if self.concede_until else {}
        return {"reason": self.concede, **until}


def _say(operation: dict[str, Any], how: _How, done: str) -> None:
    """Try it, show what the rules say, ask if they say something, and do it."""
    operation = {name: value for name, value in operation.items() if value is not None}
    if "start" not in operation and operation["do"] != "withdraw":
        operation.setdefault("at", to_rfc3339(moment_of(how.time or "now")))
    begins = operation["do"] == "create"
    with target.open(create=begins and not how.dry_run, scratch=begins and how.dry_run) as plant:
        tried = _tried(plant, operation, how)
        if how.dry_run:
            output.done(f"it can be done: {done}", **tried)
            return
        if tried["findings"] and not (how.yes or how.seen or how.concede) and _asks():
            typer.confirm("Do it all the same?", abort=True, err=True)
        told = plant.items.do(operation, basis=how.basis(), concession=how.concession())
    repeated = " (it was told before)" if told["repeated"] else ""
    opened = f"; nonconformance {', '.join(map(str, told['nonconformances']))}" if told["nonconformances"] else ""
    output.done(f"{done}: act {told['act']}{repeated}{opened}", **told)


def _tried(plant: Client, operation: dict[str, Any], how: _How) -> dict[str, Any]:
    """What would become of it; a concession that is needed is asked for. Raises RuleBroken and what else refuses it."""
    try:
        tried = plant.items.do(operation, basis=how.basis(), concession=how.concession(), dry_run=True)
    except RuleBroken as error:
        findings = error.extra.get("findings", [])
        _show(findings)
        if not all(one["level"] != "block" for one in findings) or how.dry_run or not _asks():
            raise
        how.concede = typer.prompt("It needs a concession. Your reason (empty: leave it)", default="", err=True)
        if not how.concede:
            raise typer.Abort from error
        return plant.items.do(operation, basis=how.basis(), concession=how.concession(), dry_run=True)
    _show(tried["findings"])
    return tried


def _asks() -> bool:
    return sys.stdin.isatty() and not output.json


def _show(findings: Sequence[dict[str, Any]]) -> None:
    colours = {"block": "red", "concession": "yellow", "warn": "cyan"}
    for one in findings:
        colour = colours.get(one["level"], "white")
        output.errors.print(
            f"[{colour}]{one['level']}[/{colour}] {output.cell(one['text'])} [dim]({one['rule']})[/dim]"
        )


# many


def load(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV, YAML or JSON: a list of operations.")],
    dry_run: DryRun = False,
) -> None:
    """Tell many operations from a file, in order, each by itself; the same file again has no second effect.

    A CSV has a line for each operation, with a column `do` and one for each field; `to_item`, `to_slot` for `to`.
    Example: gemel item load as-built.csv --dry-run
    """
    wishes = _keyed(_read(file), file.name)
    doing = f"{'Trying' if dry_run else 'Telling'} {file.name}"
    with target.open(create=not dry_run, scratch=dry_run) as plant, output.progress(doing) as bars:
        bar = bars.add_task("", total=len(wishes))
        told = plant.items.do_all(wishes, dry_run=dry_run, progress=lambda done: bars.update(bar, completed=done))
    refused = [
        {"line": one["line"], "operation": _brief(one["operation"]), "why": answer["problem"]["detail"]}
        for one, answer in zip(wishes, told, strict=True)
        if answer["problem"] is not None
    ]
    if output.json:
        output.value([{"line": one["line"], **answer} for one, answer in zip(wishes, told, strict=True)])
    else:
        again = sum(1 for one in told if one["outcome"] is not None and one["outcome"]["repeated"])
        said = f"{len(told) - len(refused):,} of {len(told):,} {'would be done' if dry_run else 'done'}"
        output.console.print(said + (f", {again:,} of them before" if again else ""))
        output.rows("Refused", refused, ["line", "operation", "why"], empty="Nothing was refused.")
    if refused:
        raise typer.Exit(3)


def _brief(operation: dict[str, Any]) -> str:
    return " ".join(str(value) for name, value in operation.items() if name not in MOMENTS and isinstance(value, str))


def _read(file: Path) -> list[dict[str, Any]]:
    """Wishes with the `line` (of a list: the place) that each came from. Raises InvalidInput."""
    if file.suffix.lower() == ".csv":
        try:
            with file.open(newline="", encoding="utf-8-sig") as lines:
                reader = csv.DictReader(lines, strict=True)
                return [{**_of_row(row, f"{file}, line {reader.line_num}"), "line": reader.line_num} for row in reader]
        except (UnicodeDecodeError, csv.Error) as error:
            raise InvalidInput(f"{file} cannot be read: {error!s:.300}; save it as CSV in UTF-8") from error
    import yaml

    try:
        listed = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"{file} cannot be read: {error!s:.300}") from error
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise InvalidInput(f"{file} is no list of operations; begin each with `- do: …`")
    wishes = [one if "operation" in one else {"operation": one} for one in listed]
    for place, one in enumerate(wishes, 1):
        if not (isinstance(one["operation"], dict) and isinstance(one.get("basis", {}), dict)):
            raise InvalidInput(f"{file}: number {place} is no operation; write it like {{do: move, child: PUMP-A, …}}")
    return [{**_texts(one), "line": place} for place, one in enumerate(wishes, 1)]


def _texts(value: Any) -> Any:
    """YAML reads dates as dates; they are moments, UTC."""
    if isinstance(value, dict):
        return {str(name): _texts(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_texts(one) for one in value]
    if hasattr(value, "isoformat"):
        text = value.isoformat()
        return f"{text}T00:00:00Z" if len(text) == 10 else text if "+" in text else f"{text}Z"
    return value


def _of_row(row: dict[Any, Any], place: str) -> dict[str, Any]:
    """A line of a CSV as a wish; empty cells are left out. Raises InvalidInput, which names the place."""
    if None in row:
        raise InvalidInput(f"{place}: there are more cells than headings, from {row[None][0]!r:.80} on")
    if not (row.get("do") or "").strip():
        raise InvalidInput(f"{place}: the column `do` says which operation; it is empty, or not there")
    given = {name.strip(): value.strip() for name, value in row.items() if name and value and value.strip()}
    basis = {name: _cell(name, given.pop(name)) for name in BASIS & given.keys()}
    to = [given.pop(name) for name in ("to_item", "to_slot") if name in given]
    told: dict[str, Any] = {name: _cell(name, value) for name, value in given.items()}
    if told["do"] == "create":
        spec = {name: told.pop(name) for name in SPEC & told.keys()}
        told["spec"] = spec
    return {"operation": told | ({"to": to} if to else {}), "basis": basis}


def _cell(name: str, text: str) -> Any:
    if name in MOMENTS and len(text) == 10:
        return f"{text}T00:00:00Z"
    return parsed_value(text) if name in NUMBERS else text


def _keyed(wishes: Iterable[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """With a key for each that has none: of what it says, and which repeat of it in this file it is."""
    seen: Counter[str] = Counter()
    keyed = []
    for one in wishes:
        basis = {"source": f"file:{name}"[:128], **one.get("basis", {})}
        mark = hashlib.blake2b(msgspec.json.encode(one["operation"], order="sorted"), digest_size=12).hexdigest()
        seen[mark] += 1
        basis.setdefault("key", f"{mark}-{seen[mark]}")
        keyed.append({**one, "basis": basis})
    return keyed
