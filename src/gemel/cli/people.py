"""People, programs and other organisations: who may do what, why, and what they did."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from gemel.cli.show import output
from gemel.cli.target import target
from gemel.errors import InvalidInput

__all__ = ["add_to"]

users = typer.Typer(no_args_is_help=True, help="People who may sign in.")
tokens = typer.Typer(no_args_is_help=True, help="API tokens for programs.")
parties = typer.Typer(no_args_is_help=True, help="Other organisations that see some of the plant.")
grants = typer.Typer(no_args_is_help=True, help="Who may do what to which twins, until when.")

Twins = Annotated[list[str] | None, typer.Option("--twin", help="Id, with all that is part of it (may repeat).")]
Actions = Annotated[list[str] | None, typer.Option("--action", help="read, write, command … (may repeat).")]
Role = Annotated[str | None, typer.Option(help="viewer, operator, engineer or administrator.")]
Party = Annotated[str, typer.Option(help="The organisation, if not your own.")]


def add_to(app: typer.Typer) -> None:
    for group, name in ((users, "users"), (tokens, "tokens"), (parties, "parties"), (grants, "grants")):
        app.add_typer(group, name=name, rich_help_panel="Operate")
    app.command(rich_help_panel="Operate")(why)
    app.command(rich_help_panel="Operate")(usage)
    app.command(rich_help_panel="Operate")(audit)


@users.command("list")
def users_list() -> None:
    """Everybody who may sign in."""
    with target.open() as plant:
        rows = plant.access.users().items
    columns = ["id", "name", "role", "party", "kind", "disabled"]
    output.rows("", rows, columns, empty="No users yet; `gemel users add NAME --role administrator`.")


@users.command("add")
def users_add(
    name: str,
    password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)],
    role: Role = None,
    party: Party = "",
) -> None:
    """Let a person sign in; asks for the password."""
    with target.open() as plant:
        user = plant.access.add_user(name, password, role, party=party)
    output.done(f"{name} may sign in as {user['role'] or f'somebody of {party}'}", id=user["id"])


@users.command("add-service")
def users_add_service(name: str, role: Role = None, party: Party = "") -> None:
    """Give a program an account: it never signs in, it has tokens (`gemel tokens add --owner`)."""
    with target.open() as plant:
        made = plant.access.add_user(name, None, role, party=party, kind="service")
    output.done(f"{name} is a service; `gemel tokens add NAME --owner {shlex.quote(name)}` lets it in", id=made["id"])


def _once(made: dict[str, Any], secret: str, note: str) -> None:
    """What is told this one time, on a line of its own."""
    if output.json:
        output.value(made)
    else:
        output.console.print(made[secret], markup=False, soft_wrap=True)
        output.note(note)


def _known(plant: Any, name: str) -> dict[str, Any] | None:
    """The person or service of that id or name."""
    return next((one for one in plant.access.all_users() if name in {one["id"], one["name"]}), None)


@users.command("invite")
def users_invite(name: str, role: Role = None, party: Party = "") -> None:
    """Print a one-time link with which a person sets a password: a new one, or one who has forgotten it."""
    with target.open() as plant:
        user = _known(plant, name) or plant.access.add_user(name, None, role, party=party)
        made = plant.access.add_link(user["id"])
    _once(made, "address", f"Shown only now; good once, until {made['ends']}.")


@users.command("erase")
def users_erase(id: str) -> None:
    """Erase a person: the name goes, what was done stays under a random id."""
    with target.open() as plant:
        plant.access.erase_user(id)
    output.done(f"{id} is erased")


@tokens.command("list")
def tokens_list() -> None:
    """Every API token, without its secret."""
    with target.open() as plant:
        rows = plant.access.tokens().items
    output.rows("", rows, ["id", "name", "role", "expires", "last_used"], empty="No tokens; `gemel tokens add NAME`.")


@tokens.command("add")
def tokens_add(
    name: str,
    role: Role = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long it is good for.")] = 365,
    owner: Annotated[str, typer.Option(help="Whom it acts for, by id or name; oneself if left out.")] = "",
    twin: Twins = None,
    action: Actions = None,
) -> None:
    """Make an API token, perhaps for some twins and actions only; it is shown once."""
    expires = datetime.now(UTC) + timedelta(days=days)
    only = {"twins": twin} if twin else None
    with target.open() as plant:
        if owner:
            owner = (_known(plant, owner) or {"id": owner})["id"]
        made = plant.access.add_token(name, role, expires=expires, owner=owner, actions=action or [], selector=only)
    _once(made, "secret", "Shown only now; give it as GEMEL_TOKEN or `Authorization: Bearer`.")


@tokens.command("withdraw")
def tokens_withdraw(id: str) -> None:
    """End a token at once."""
    with target.open() as plant:
        plant.access.withdraw_token(id)
    output.done(f"token {id} is withdrawn")


@parties.command("list")
def parties_list() -> None:
    """Every organisation, with how many people and grants it has."""
    with target.open() as plant:
        rows = plant.access.parties().items
    output.rows("", rows, ["id", "name", "users", "grants", "disabled"], empty="None; `gemel parties add ID NAME`.")


@parties.command("add")
def parties_add(id: str, name: str) -> None:
    """Add an organisation; it sees nothing until something is granted to it."""
    with target.open() as plant:
        plant.access.add_party(id, name)
    output.done(f"{name} is a party; grant something to party:{id}", id=id)


@parties.command("disable")
def parties_disable(
    id: str, again: Annotated[bool, typer.Option("--enable", help="Let them in again.")] = False
) -> None:
    """Let nobody of it in, at once."""
    with target.open() as plant:
        plant.access.change_party(id, disabled=not again)
    output.done(f"{id} is {'let in again' if again else 'shut out'}", id=id, disabled=not again)


@grants.command("list")
def grants_list(
    to: Annotated[str, typer.Option(help="Only to party:<id>, user:<id> or role:<role>.")] = "",
    twin: Annotated[str, typer.Option(help="Only what is for this twin now.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Also what has ended or was revoked.")] = False,
) -> None:
    """What was granted, the newest first."""
    with target.open() as plant:
        rows = plant.access.grants(to=to, twin=twin, current=not every).items
    columns = ["id", "to", "actions", "selected", "groups", "ends", "state"]
    output.rows("", rows, columns, empty="Nothing is granted; `gemel grants add party:ID --twin TWIN --days 7`.")


@grants.command("add")
def grants_add(
    to: Annotated[str, typer.Argument(help="party:<id>, user:<id or name> or role:<role>.")],
    twin: Twins = None,
    type: Annotated[list[str] | None, typer.Option(help="Twins of this type (may repeat).")] = None,
    linked: Annotated[list[str] | None, typer.Option(help="part_of*:site-a, located_in:hall-2 (may repeat).")] = None,
    stage: Annotated[list[str] | None, typer.Option(help="Twins in this stage of life (may repeat).")] = None,
    everything: Annotated[bool, typer.Option("--everything", help="Every twin there is and will be.")] = False,
    action: Actions = None,
    group: Annotated[list[str] | None, typer.Option(help="Group of properties; all if left out.")] = None,
    days: Annotated[float | None, typer.Option(min=0, help="Until so many days from now.")] = None,
    starts: Annotated[str | None, typer.Option(help="From this moment on, RFC 3339.")] = None,
    ends: Annotated[str | None, typer.Option(help="Until this moment, RFC 3339.")] = None,
    history: Annotated[str, typer.Option(help="How much of the past: 30d, 0s, or a moment; all if left out.")] = "",
    purpose: Annotated[str, typer.Option(help="What for.")] = "",
    template: Annotated[str, typer.Option(help="Begin with a usual grant: service, maker, tier-supplier …")] = "",
    maker: Annotated[list[str] | None, typer.Option(help="View of items: only of this maker (may repeat).")] = None,
    part: Annotated[list[str] | None, typer.Option(help="View of items: only this part (may repeat).")] = None,
    slot: Annotated[list[str] | None, typer.Option(help="View of items: only in spindle, hydraulics/pump.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="View of items: hardware, electrical, software …")] = None,
    safety: Annotated[bool, typer.Option("--safety", help="View of items: only in slots of safety.")] = False,
    column: Annotated[list[str] | None, typer.Option(help="View of items: serials, revisions, counters …")] = None,
    anonymous: Annotated[bool, typer.Option("--anonymous", help="View of items: machines without names.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be seen.")] = False,
) -> None:
    """Grant something; without --action to read, follow, query and export."""
    chosen: dict[str, Any] = {"twins": twin, "types": type, "linked": linked, "stages": stage}
    selector = {name: listed for name, listed in chosen.items() if listed} | (
        {"everything": True} if everything else {}
    )
    with target.open() as plant:
        terms: dict[str, Any] = {"actions": action, "groups": group, "history": history, "days": days}
        if template:
            terms = _begun_with(plant.access.grant_templates(), template, terms)
        listed: dict[str, Any] = {"makers": maker, "parts": part, "slots": slot, "kinds": kind, "columns": column}
        items = _items(terms.get("items"), terms.get("asks", ()), listed, safety=safety, anonymous=anonymous)
        if dry_run:
            _show(plant.access.preview(selector, terms["groups"] or [], items))
            return
        until = None if terms["days"] is None else (datetime.now(UTC) + timedelta(days=terms["days"])).isoformat()
        made = plant.access.grant(
            to,
            terms["actions"] or ["read", *([] if items else ["subscribe"]), "query", "export"],
            selector,
            groups=terms["groups"] or [],
            starts=starts,
            ends=ends or until,
            history=terms["history"],
            purpose=purpose,
            items=items,
        )
    told = f"until {made['ends']}" if made["ends"] else "until it is revoked"
    output.done(f"{made['id']}: {', '.join(made['actions'])} of {made['selected']} to {made['to']}, {told}", **made)


def _begun_with(templates: list[dict[str, Any]], name: str, terms: dict[str, Any]) -> dict[str, Any]:
    """The terms of a usual grant, where nothing else is said."""
    known = {one["id"]: one for one in templates}
    if name not in known:
        raise InvalidInput(f"there is no template {name!r:.40}; use {', '.join(known)}")
    begun = {what: known[name][what] if said in (None, "") else said for what, said in terms.items()}
    return begun | {"items": known[name]["items"], "asks": known[name]["asks"]}


def _items(
    begun: dict[str, Any] | None, asks: Sequence[str], listed: dict[str, Any], *, safety: bool, anonymous: bool
) -> dict[str, Any] | None:
    """The view of the configuration that is granted; None: it is of twins. Raises InvalidInput."""
    said = {name: values for name, values in listed.items() if values}
    said |= {"safety": True} if safety else {}
    said |= {"machines": "anonymous"} if anonymous else {}
    if begun is None and not said:
        return None
    items = {**(begun or {}), **said}
    if missing := [name for name in asks if not items.get(name)]:
        raise InvalidInput(f"say of which {' and '.join(missing)}: --{missing[0].removesuffix('s')}")
    return items


def _show(found: dict[str, Any]) -> None:
    """What somebody would see."""
    if output.json:
        output.value(found)
        return
    output.console.print(f"{found['twins']} twins: {found['selected']}", markup=False)
    for name in found["unknown"]:
        output.note(f"not there: {name}")
    rows = [
        {
            "type": one["id"],
            "twins": one["twins"],
            "seen": ", ".join(seen["name"] for seen in one["seen"]),
            "not seen": ", ".join(sorted({hidden["group"] for hidden in one["hidden"]})),
        }
        for one in found["types"]
    ]
    if not found["trees"]:
        output.rows("", rows, ["type", "twins", "seen", "not seen"], empty="They would see nothing.")
    for tree in found["trees"]:
        _show_tree(tree)


def _show_tree(node: dict[str, Any]) -> None:
    """An item as it would be told, and what is in it."""
    item = node["item"]
    told = [item[name] for name in ("id", "part", "revision", "maker", "serial") if item[name]]
    slot = "/".join(node["path"])
    output.console.print("  " * len(node["path"]) + f"{slot + ': ' if slot else ''}{' · '.join(told)}", markup=False)
    if not node["path"]:
        output.note(f"withheld: {', '.join(item['withheld']) or 'nothing'}")
    for part in node["parts"]:
        _show_tree(part)


@grants.command("revoke")
def grants_revoke(id: str) -> None:
    """End a grant at once: what is open ends within a second."""
    with target.open() as plant:
        plant.access.revoke(id)
    output.done(f"{id} is revoked", id=id)


def why(
    who: Annotated[str, typer.Argument(help="A user, a token's id, device:<id> or party:<id>.")],
    action: Annotated[str, typer.Argument(help="read, write, command …")],
    what: Annotated[str, typer.Argument(help="A twin, a property of one (press-7.recipe), or item:PUMP-A")],
) -> None:
    """Why may somebody do something, or why not: by which grant or rule, and what would be needed."""
    with target.open() as plant:
        told = plant.access.why(who, action, what)
    if output.json:
        output.value(told)
        return
    of = told["item"] or f"{told['twin']}{'.' * bool(told['property'])}{told['property']}"
    output.console.print(f"{'yes' if told['allowed'] else 'no'}: {action} on {of}", markup=False)
    for reason in told["reasons"]:
        output.console.print(f"  {reason['policy']}: {reason['told']}", markup=False)
    for way in told["needed"]:
        output.console.print(f"  would do: {way}", markup=False)


def usage(
    twin: Annotated[str, typer.Option(help="Only of this twin.")] = "",
    party: Annotated[str, typer.Option(help="Only by this party.")] = "",
    principal: Annotated[str, typer.Option(help="Only by this user, token or device.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
) -> None:
    """Who used what in the last 30 days, and by which right."""
    with target.open() as plant:
        rows = plant.access.usage(twin=twin, party=party, principal=principal, limit=limit).items
    columns = ["principal", "party", "twin", "action", "policy", "requests", "rows", "last"]
    output.rows("", rows, columns, empty="Nobody used anything in that time.")


def audit(
    party: Annotated[str, typer.Option(help="Only by this party.")] = "",
    principal: Annotated[str, typer.Option(help="Only by this user, token or device.")] = "",
    resource: Annotated[str, typer.Option(help="Only on this twin, user, connector …")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
) -> None:
    """The audit log, the newest first."""
    with target.open() as plant:
        rows = plant.access.audit(party=party, principal=principal, resource=resource, limit=limit).items
    columns = ["time", "principal", "party", "action", "kind", "resource", "allowed", "policy", "detail"]
    output.rows("", rows, columns, empty="There are no such entries.")
