"""Which commands there are: their place in the help, the module that each is in, and what it does in a line.

A module is imported when one of its commands is called: `gemel --help` needs none. A test holds this table against
what the modules say.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

__all__ = ["COMMANDS", "Commands", "Later", "commands_of"]

COMMANDS: dict[str, dict[str, tuple[str, str]]] = {
    "Run": {
        "demo": (
            "operate",
            "Run a shop of five real machine tools from recorded logs, and two simulated objects that take orders.",
        ),
        "serve": ("operate", "Serve a plant: HTTP API, WebSocket and web app; its connectors run."),
    },
    "Twins": {
        "apply": ("registry", "Make the plant as the documents say; show the difference."),
        "twins": ("registry", "Find twins."),
        "twin": ("registry", "One twin: who it is, its values now, its parts."),
        "types": ("registry", "Twin types, or one of them with its properties."),
        "schema": ("registry", "The JSON Schema of a document, for editors and checks."),
        "import": ("registry", "Twins from what machines say; history from other systems."),
        "connect": ("connect", "Connect a machine step by step."),
    },
    "Values": {
        "now": ("values", "The values of a twin as they are now, with their freshness."),
        "write": ("values", "Report one value; returns when it is on stable storage."),
        "watch": ("values", "Follow a twin's values as they change; stop with Ctrl-C."),
        "history": ("values", "One property over time: a picture in the terminal, or the points with --json."),
        "at": ("values", "A whole twin as it was at a past instant."),
        "events": ("values", "What happened: events, conditions, changes of the plant."),
        "query": ("values", "SQL over live.<type>, history.*, twins and links (DuckDB's dialect, read only)."),
        "export": ("values", "Write history to a file; or everything there is into a folder."),
        "load": ("values", "Load years of history from a file at once; the same file again changes nothing."),
        "entanglement": (
            "entanglement",
            "How twins are tied to their objects: level, freshness, latency, loss; of a property also in the past.",
        ),
        "enter": ("entanglement", "Enter a value by hand: recorded as yours, and as told by a person."),
        "compare": (
            "computing",
            "How far a simplified property is from the detailed one: bias, root mean square, the largest, "
            "within a bound.",
        ),
        "replica": ("replicas", "Keep a copy of twins here, and print what changes; stop with Ctrl-C."),
        "effectiveness": ("effectiveness", "OEE and the other key figures of ISO 22400-2."),
        "compute": ("computing", "Computed properties: how they stand, lineage, the past anew."),
    },
    "Command": {
        "command": ("orders", "Have a machine do something, and say what became of it."),
        "set": ("orders", "Have a property of a machine become a value, and say what became of it."),
        "transaction": (
            "together",
            "Have several machines do something, all of them or none, and say what became of it.",
        ),
        "goal": ("together", "Bring a goal to a value, by what its members are told."),
        "instructions": ("entanglement", "Orders that wait for a person."),
        "orders": ("orders", "What was asked of machines, and what became of it."),
        "control": ("orders", "Who has control of a machine."),
        "transactions": ("together", "What was asked of several machines at once."),
        "goals": ("together", "One number for many actuators."),
    },
    "Configuration": {
        "items": ("items", "Find items, and where they are."),
        "item": ("items", "One part: where it is and was, what it consists of, what was done to it."),
        "lifetimes": ("lifetimes", "How long items live: lives, models, risks, what came true."),
        "parts": ("parts", "What part types are, and what may be in their slots."),
        "configuration": ("parts", "Questions to one machine or to all of them."),
        "upkeep": ("upkeep", "How up to date configurations are kept, and whether they are."),
        "translations": ("upkeep", "Which events of machines become which operations."),
        "sources": ("sources", "Configurations of others, asked where they lie."),
        "thread": ("thread", "What leads to what: documents, requirements, work, and what was made."),
        "documents": ("documents", "Manuals, drawings, certificates: versions, and for what."),
        "bulletins": ("bulletins", "What is to be done to some machines: where it is open, and where it was done."),
        "forms": ("forms", "Checklists that are declared as documents, and filled in beside the machine."),
        "fill": ("forms", "Fill in a form at an item: all of it is taken, or nothing."),
        "reliances": ("reliances", "Who relied on what was believed of machines, and what is believed otherwise now."),
    },
    "Software": {
        "software": ("software", "Software: what is declared, and what machines run."),
        "campaigns": ("campaigns", "Update campaigns: many machines, group by group."),
    },
    "Services": {
        "offers": ("offers", "Machines that are configured, ordered, built and delivered."),
        "capabilities": ("capabilities", "What is unlocked on machines by licences, proved by what they report."),
        "prospects": ("prospects", "The installed base, ranked for a service."),
    },
    "Work": {
        "work": ("work", "Work orders: what is to be done to machines, and what was."),
        "exchanges": ("exchanges", "Exchange with systems that plan work, sell it or count it."),
    },
    "Operate": {
        "connectors": ("operate", "Connectors with their health: state, rate, lag, errors, last seen."),
        "verify": (
            "operate",
            "Recompute every hash of journal and history; says what is damaged, and what a witness holds.",
        ),
        "plugins": (
            "plugins",
            "What is installed besides: connectors, importers, exchanges, functions; whose, and what is wrong with it.",
        ),
        "upgrade": (
            "backup",
            "Bring a plant's folder to this version: keep a copy of its tables, change them, compute every hash again.",
        ),
        "rollback": (
            "backup",
            "Take the last upgrade of a folder back, if nothing was accepted since; then start the earlier "
            "version again.",
        ),
        "why": (
            "people",
            "Why may somebody do something, or why not: by which grant or rule, and what would be needed.",
        ),
        "usage": ("people", "Who used what in the last 30 days, and by which right."),
        "audit": ("people", "The audit log, the newest first."),
        "doctor": (
            "doctor",
            "Look at everything, and say what is wrong and the way out. Exit code 1 if something does not work.",
        ),
        "support-bundle": (
            "doctor",
            "Pack what a helper needs: versions, settings, health, sizes, problems, logs. No secrets, no readings.",
        ),
        "proof": (
            "witness",
            "Prove one record to somebody who has nothing else of the plant: a small JSON file with the record in it.",
        ),
        "quarantine": ("operate", "What was not accepted, and why; take it in after a fix."),
        "backup": ("backup", "Back up while running, restore, and prove that a restore works."),
        "devices": ("devices", "Who may report for which twins: claim codes, certificates, tables."),
        "device": ("devices", "What a device runs itself: claim its identity, renew it."),
        "users": ("people", "People who may sign in."),
        "tokens": ("people", "API tokens for programs."),
        "parties": ("people", "Other organisations that see some of the plant."),
        "grants": ("people", "Who may do what to which twins, until when."),
        "storage": ("storage", "Room on the disk: what takes it, and for how many days it lasts."),
        "edge": ("replicas", "An edge node: what it handed on upstream, and what waits."),
        "witness": ("witness", "Other parties that hold this plant to its record, and it them."),
        "erase": ("erase", "Erase a twin for good; what was erased. A person: `gemel users erase`."),
    },
}
"""Panel → name → (module below gemel.cli, the first lines of its help)."""


@cache
def commands_of(module: str) -> Mapping[str, Any]:
    """Those that a module below gemel.cli adds."""
    part = typer.Typer(rich_markup_mode="rich", pretty_exceptions_enable=False)
    import_module(f"gemel.cli.{module}").add_to(part)
    return get_group(part).commands


class Later(TyperCommand):
    """Stands for a command, or a group of them, until it is called."""

    def __init__(self, name: str, module: str, panel: str, told: str) -> None:
        super().__init__(name, help=told, rich_help_panel=panel, rich_markup_mode="rich")
        self.module = module

    @property
    def loaded(self) -> Any:
        """The command itself."""
        return commands_of(self.module)[str(self.name)]

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return self.loaded.make_context(info_name, args, parent=parent, **extra)


class Commands(TyperGroup):
    """The root of all."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for panel, listed in COMMANDS.items():
            for name, (module, told) in listed.items():
                self.add_command(Later(name, module, panel, told))
