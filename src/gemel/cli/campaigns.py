"""Update campaigns: software for many machines, group by group."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gemel.cli.show import output
from gemel.cli.target import target
from gemel.clock import parse_time, to_rfc3339
from gemel.errors import InvalidInput

__all__ = ["add_to"]

campaigns = typer.Typer(invoke_without_command=True, help="Update campaigns: many machines, group by group.")
COLOURS = {
    **dict.fromkeys(("finished", "succeeded", "ok", "eligible", "rolled_back"), "green"),
    **dict.fromkeys(("unknown", "paused", "waiting", "in_sync", "behind"), "yellow"),
    **dict.fromkeys(("failed", "forbidden", "blocked", "stopped", "not_rolled_back"), "red"),
}


def add_to(app: typer.Typer) -> None:
    app.add_typer(campaigns, name="campaigns", rich_help_panel="Software")


def _state(text: str) -> str:
    colour = COLOURS.get(text, "cyan")
    return f"[{colour}]{text}[/{colour}]"


@campaigns.callback()
def list_campaigns(
    context: typer.Context,
    state: Annotated[list[str] | None, typer.Option(help="Only in this state (may repeat).")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """Campaigns, the newest first."""
    if context.invoked_subcommand is not None:
        return
    with target.open() as plant:
        found = plant.campaigns(states=state or (), limit=limit).items
    rows = found
    if not output.json:
        rows = [
            one["campaign"]
            | {
                "software": f"{one['campaign']['part']} {one['campaign']['version']}",
                "machines": _counts(one),
            }
            for one in found
        ]
    columns = ["id", "title", "software", "state", "machines", "detail"]
    output.rows("", rows, columns, empty="No campaigns. `gemel campaigns create PART VERSION` drafts one.")


def _counts(overview: dict[str, Any]) -> str:
    told: dict[str, int] = {}
    for group in overview["groups"]:
        for state, many in group["counts"].items():
            told[state] = told.get(state, 0) + many
    return ", ".join(f"{many} {state}" for state, many in sorted(told.items()))


Part = Annotated[str, typer.Argument(help="Part number of the software.")]
Version = Annotated[str, typer.Argument(help="The version that machines are to get.")]
From = Annotated[str, typer.Option("--from", help="Only machines that run one of these versions: '>=1.0, <2'.")]
Having = Annotated[
    list[str] | None, typer.Option("--having", help="Only with this part in them: CTRL-7 or 'CTRL-7:>=B' (may repeat).")
]
Serial = Annotated[
    list[str] | None, typer.Option("--serial", help="Only these serial numbers: A100..A250 (may repeat).")
]
Twins = Annotated[list[str] | None, typer.Option("--twin", help="Only this machine (may repeat).")]
Groups = Annotated[
    list[str] | None,
    typer.Option(
        "--group", help="name:share:success:errors, as canary:1:100%:1; the last one's share is empty (may repeat)."
    ),
]


def _draft(part: str, version: str, **given: Any) -> dict[str, Any]:
    selection = {
        "versions": given["since"],
        "machines": [_need(text) for text in given["having"] or ()],
        "effectivity": {"serials": list(given["serial"] or ())},
        "twins": list(given["twin"] or ()),
    }
    draft: dict[str, Any] = {"part": part, "version": version, "selection": selection}
    if given["group"]:
        draft["groups"] = [_group(text) for text in given["group"]]
    return draft


def _need(text: str) -> dict[str, str]:
    part, _, versions = text.partition(":")
    return {"part": part, "versions": versions}


def _group(text: str) -> dict[str, str]:
    name, *rest = text.split(":")
    if len(rest) > 3:
        raise InvalidInput(f"{text!r:.80} is not name:share:success:errors")
    told = dict(zip(("share", "success", "errors"), rest, strict=False))
    return {"name": name, **{key: value for key, value in told.items() if value}}


@campaigns.command("preview")
def preview(
    part: Part,
    version: Version,
    since: From = "",
    having: Having = None,
    serial: Serial = None,
    twin: Twins = None,
    group: Groups = None,
) -> None:
    """The dry run: how each machine would fare, and by which rule. Nothing is sent or kept.

    Example: gemel campaigns preview CTL-FW 2.1.0 --from '<2.1' --having 'CTRL-7:>=B'
    """
    with target.open() as plant:
        told = plant.campaigns.preview(
            _draft(part, version, since=since, having=having, serial=serial, twin=twin, group=group)
        )
    if output.json:
        output.value(told)
        return
    rows = [
        {
            "machine": one["machine"],
            "serial": one["serial"],
            "runs": one["installed"] or None,
            "chances": one["chances"],
            "group": one["group"],
            "why": "; ".join([*(why["text"] for why in one["objections"]), *one["waits"], *one["unsafe"]]),
        }
        for one in told["machines"]
    ]
    columns = ["machine", "serial", "runs", "chances", "group", "why"]
    output.rows("", rows, columns, empty="No machine fits. `gemel software installed` shows what they run.")
    output.note(", ".join(f"{many} {chances}" for chances, many in told["counts"].items()))


@campaigns.command("create")
def create(
    part: Part,
    version: Version,
    title: Annotated[str, typer.Option(help="What it is called in lists.")] = "",
    since: From = "",
    having: Having = None,
    serial: Serial = None,
    twin: Twins = None,
    group: Groups = None,
    approval: Annotated[bool, typer.Option("--approval", help="Somebody else has to approve it.")] = False,
    not_before: Annotated[str, typer.Option("--not-before", help="Begin at this time, RFC 3339.")] = "",
    at_once: Annotated[int, typer.Option(help="So many machines at the same time, at most.")] = 10,
    deadline: Annotated[float, typer.Option(help="Seconds that each machine has to report the version.")] = 1800.0,
    settle: Annotated[float, typer.Option(help="Seconds for which it has to hold before it counts.")] = 0.0,
    begin: Annotated[bool, typer.Option("--start", help="Freeze its targets and begin at once.")] = False,
) -> None:
    """Draft a campaign; with --start it begins.

    Example: gemel campaigns create CTL-FW 2.1.0 --group canary:1 --group rest::95%:5% --start
    """
    draft = _draft(part, version, since=since, having=having, serial=serial, twin=twin, group=group)
    draft |= {"title": title, "approval": approval, "at_once": at_once, "deadline_s": deadline, "settle_s": settle}
    if not_before:
        draft["start"] = to_rfc3339(parse_time(not_before))
    with target.open() as plant:
        made = plant.campaigns.create(draft)
        if begin:
            made = plant.campaigns.start(made["campaign"]["id"])
    _told(made)


def _told(overview: dict[str, Any]) -> None:
    """A campaign as a sentence and its groups; exit code 3 where it has paused by itself."""
    campaign = overview["campaign"]
    if output.json:
        output.value(overview)
    else:
        output.console.print(
            f"{_state(campaign['state'])} {output.cell(campaign['title'])} [dim]{campaign['id']}[/dim]"
        )
        if campaign["detail"]:
            output.console.print(f"  {output.cell(campaign['detail'])}", markup=False)
        rows = [
            one | {"machines": ", ".join(f"{many} {state}" for state, many in one["counts"].items())}
            for one in overview["groups"]
        ]
        output.rows("", rows, ["name", "state", "machines", "success", "errors"], empty="")
        if campaign["state"] == "draft":
            output.note(f"Nothing is frozen or sent yet: gemel campaigns start {campaign['id']}")
        if campaign["state"] == "waiting":
            output.note(f"Somebody else has to agree: gemel campaigns approve {campaign['id']}")
        if campaign["state"] == "paused":
            output.note(f"Go on with: gemel campaigns resume {campaign['id']}; or stop, or roll-back")
    if campaign["state"] == "paused" and campaign["reason"] != "person":
        raise typer.Exit(3)


@campaigns.command("show")
def show(
    campaign: str,
    state: Annotated[list[str] | None, typer.Option(help="Only machines in this state (may repeat).")] = None,
) -> None:
    """One campaign with its groups and machines."""
    with target.open() as plant:
        overview = plant.campaigns.get(campaign)
        rows = plant.campaigns.targets(campaign, states=state or ()).items
    if output.json:
        output.value({**overview, "targets": rows})
        return
    names = [one["name"] for one in overview["groups"]]
    told = [
        row
        | {
            "group": names[row["group"]],
            "reports": None if row["proof"] is None else row["proof"]["version"],
        }
        for row in rows
    ]
    output.rows("", told, ["ordinal", "machine", "group", "before", "reports", "state", "detail"], empty="")
    _told(overview)


def _verb(name: str, verb: str, text: str) -> None:
    def command(campaign: str) -> None:
        with target.open() as plant:
            _told(plant.campaigns.do(campaign, verb))

    command.__doc__ = text
    campaigns.command(name)(command)


_verb("start", "start", "Freeze its targets and begin.")
_verb("approve", "approve", "Agree to it, as somebody else.")
_verb("pause", "pause", "Send nothing more until it is resumed.")
_verb("resume", "resume", "Go on, in spite of failures so far.")
_verb("take-over", "take-over", "Go on with somebody else's campaign: it is sent on your behalf from now on.")
_verb("stop", "stop", "The emergency stop: send nothing more, for good.")
_verb("roll-back", "rollback", "Bring machines back to the version before.")
_verb("sign-off", "sign-off", "Put your name under its report; its hash is journaled.")


@campaigns.command("retry")
def retry(
    campaign: str,
    machine: Annotated[
        list[int] | None, typer.Option(help="Number of the target (may repeat); all that failed.")
    ] = None,
) -> None:
    """Try failed machines again, with their configuration as it is now."""
    with target.open() as plant:
        _told(plant.campaigns.do(campaign, "retry", {"targets": list(machine or ())}))


@campaigns.command("settle")
def settle(
    campaign: str,
    machine: Annotated[int, typer.Argument(help="Number of the target.")],
    said: Annotated[str, typer.Option(help="How that is known.")] = "",
) -> None:
    """Say that an unknown machine does not have the version; then it can be retried."""
    with target.open() as plant:
        _told(plant.campaigns.do(campaign, "settle", {"target": machine, "said": said}))


@campaigns.command("report")
def report(campaign: str) -> None:
    """All of it as JSON: what each device reported, who did what when, who signed it off."""
    with target.open() as plant:
        output.value(plant.campaigns.report(campaign))
