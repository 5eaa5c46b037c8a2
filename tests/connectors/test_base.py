"""Plug-ins by entry point, settings, secrets by reference, back-off."""

import random
from importlib.metadata import EntryPoint

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemel import plugins
from gemel.connectors import Backoff, SecretRef, build, kinds, plugin
from gemel.connectors.mtconnect import MtconnectSource
from gemel.connectors.replay import ReplaySource
from gemel.errors import InvalidDocument, MissingExtra, UnknownConnector
from gemel.testing.connectors import SourceContract
from gemel.twin import ConnectorSpec


class TestMtconnectAdapter(SourceContract):
    plugin = MtconnectSource
    settings = {"url": "shdr://127.0.0.1:1", "timeout_s": 5.0}  # noqa: RUF012


class TestMtconnectAgent(SourceContract):
    plugin = MtconnectSource
    settings = {"url": "http://127.0.0.1:1", "timeout_s": 5.0}  # noqa: RUF012


def test_built_in_kinds_come_by_the_entry_points_that_plug_ins_use():
    assert {"mtconnect", "replay"} <= set(kinds())
    assert plugin("mtconnect") is MtconnectSource
    assert plugin("replay") is ReplaySource


def test_an_unknown_kind_names_those_that_there_are():
    with pytest.raises(UnknownConnector, match=r"no connector kind 'mtconect'; installed are .*mtconnect"):
        plugin("mtconect")


def test_a_missing_package_is_told_with_the_line_that_installs_it(monkeypatch):
    point = EntryPoint(name="press", value="no_such_package.press:Press", group=plugins.CONNECTORS)
    monkeypatch.setattr(plugins, "_registered", lambda group, named: {"press": point})
    with pytest.raises(MissingExtra, match=r"needs no_such_package: pip install 'gemel\[press\]'"):
        plugin("press")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "missing required field `url`"),
        ({"url": "ftp://x"}, "neither shdr://host:port .adapter. nor http"),
        ({"url": "shdr://"}, "names no host"),
        ({"url": "shdr://m", "timeout_s": 0}, "must be above 0"),
        ({"url": "shdr://m", "colour": "red"}, "unknown field `colour`"),
        ({"url": "shdr://m", "backoff": {"initial_s": 5, "maximum_s": 1}}, "initial_s <= maximum_s"),
    ],
)
def test_wrong_settings_name_the_field(settings, reason):
    with pytest.raises(InvalidDocument, match=reason):
        build(ConnectorSpec(id="mill", kind="mtconnect", settings=settings))


@pytest.mark.parametrize("fields", [{}, {"env": "A", "file": "b"}])
def test_a_reference_names_one_place(fields):
    with pytest.raises(ValueError, match="a secret is a reference"):
        SecretRef(**fields)


@given(st.floats(0.01, 10), st.floats(1, 5), st.floats(0, 0.9), st.randoms(use_true_random=False))
def test_waits_grow_to_the_maximum_and_jitter_around_it(initial, factor, jitter, rng: random.Random):
    backoff = Backoff(initial_s=initial, maximum_s=initial * 10, factor=factor, jitter=jitter)
    delays = backoff.delays(rng)
    for n in range(20):
        plain = min(initial * factor**n, initial * 10)
        assert plain * (1 - jitter) * 0.999 <= next(delays) <= plain * (1 + jitter) * 1.001
