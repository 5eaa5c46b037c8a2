"""The web app as files; logs without secrets."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import structlog

from gemel.platform import Platform
from gemel.server import Server, configure_logs


@pytest.fixture(scope="module")
def site(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    web = tmp_path_factory.mktemp("web")
    (web / "assets").mkdir()
    (web / "index.html").write_text("<!doctype html><title>app</title>")
    (web / "assets" / "app-D3adB33f.js").write_text("let plain")
    (web / "assets" / "app-D3adB33f.js.gz").write_bytes(gzip.compress(b"let zipped"))
    (web / "icon.svg").write_text("<svg/>")
    (web.parent / "secret.txt").write_text("secret")
    with Server(platform, port=0, web=web) as server:
        yield server.url


def test_hashed_files_are_kept_for_ever_and_sent_compressed(site: str) -> None:
    path = site + "/assets/app-D3adB33f.js"
    zipped = httpx.get(path, headers={"Accept-Encoding": "gzip"})
    assert (zipped.text, zipped.headers["content-encoding"]) == ("let zipped", "gzip")
    assert "immutable" in zipped.headers["cache-control"]
    assert zipped.headers["content-type"].startswith("text/javascript")
    assert httpx.get(path, headers={"Accept-Encoding": "identity"}).text == "let plain"


def test_a_deep_link_gets_the_app_and_is_asked_for_again(site: str) -> None:
    page = httpx.get(site + "/twins/press-7/history")
    assert page.text.endswith("<title>app</title>")
    assert page.headers["cache-control"] == "no-cache"
    again = httpx.get(site + "/", headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/../secret.txt", "/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt", "//etc/passwd"]
)
def test_no_path_leads_out_of_the_folder(site: str, path: str) -> None:
    assert "secret" not in httpx.get(site + path).text


def test_the_page_of_a_twin_whose_id_has_dots_is_the_app(site: str) -> None:
    for path in ("/twins/mazak01.x", "/twins/press.js", "/types/pump.v2", "/events?twin=mazak01.x"):
        page = httpx.get(site + path)
        assert (page.status_code, page.text) == (200, "<!doctype html><title>app</title>"), path


def test_a_missing_file_is_not_the_app(site: str) -> None:
    for path in ("/assets/gone-12345678.js", "/favicon.ico", "/robots.txt", "/.well-known/security.txt"):
        assert httpx.get(site + path).status_code == 404, path
    assert httpx.post(site + "/index.html").status_code == 405
    assert httpx.head(site + "/icon.svg").headers["content-length"] == "6"


def test_without_a_built_app_the_page_says_what_to_do(platform: Platform, tmp_path: Path) -> None:
    with Server(platform, port=0, web=tmp_path / "nothing") as server:
        page = httpx.get(server.url)
        assert page.status_code == 503
        assert "make web" in page.text


def test_an_app_that_is_built_anew_is_served_by_the_server_that_runs(platform: Platform, tmp_path: Path) -> None:
    web = tmp_path / "web"

    def build(name: str) -> None:
        """As hatch_build.py does: aside, then in place of the other."""
        made = tmp_path / "made"
        (made / "assets").mkdir(parents=True)
        (made / "index.html").write_text(f"<title>{name}</title>")
        for part in ("app", "part"):
            (made / "assets" / f"{part}-{name}.js").write_text(f"let {name}")
            (made / "assets" / f"{part}-{name}.js.gz").write_bytes(gzip.compress(f"let {name} zipped".encode()))
        if web.exists():
            web.rename(tmp_path / f"before-{name}")
        made.rename(web)

    with Server(platform, port=0, web=web) as server, httpx.Client(base_url=server.url) as browser:
        assert browser.get("/").status_code == 503
        build("11111111")
        assert browser.get("/twins/press-7").text == "<title>11111111</title>"
        build("22222222")
        assert browser.get("/").text == "<title>22222222</title>"
        assert browser.get("/assets/app-22222222.js").text == "let 22222222 zipped"
        # a page that was open before still finds the parts that it asks for later
        plain = browser.get("/assets/part-11111111.js", headers={"Accept-Encoding": "identity"})
        assert (plain.text, "immutable" in plain.headers["cache-control"]) == ("let 11111111", True)
        assert browser.get("/assets/part-11111111.js").text == "let 11111111 zipped"
        web.rename(tmp_path / "away")  # the moment between the two
        assert browser.get("/").text == "<title>22222222</title>"
        assert browser.get("/assets/app-22222222.js").status_code == 200
        build("33333333")
        assert browser.get("/").text == "<title>33333333</title>"
        assert browser.get("/assets/part-11111111.js").status_code == 404


def test_a_slow_request_is_told_in_the_log_and_not_among_what_the_program_prints(
    platform: Platform,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("gemel.server.edge.SLOW_S", -1.0)
    caplog.set_level(logging.WARNING)  # commands that ran in this process before may have asked for less
    with Server(platform, port=0) as server:
        assert httpx.get(server.url + "/healthz").status_code == 200
    assert "/healthz" in caplog.text
    assert capsys.readouterr().out == ""


def test_logs_are_json_lines_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        configure_logs(json=True)
        structlog.get_logger("gemel.test").info("signed in", user="user-1", password="hunter2", api_token="gemel_x")
        logging.getLogger("library").warning("careful")
        lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    finally:
        root.handlers[:] = before
        root.setLevel(level)
        structlog.reset_defaults()
    assert [line["event"] for line in lines] == ["signed in", "careful"]
    assert (lines[0]["password"], lines[0]["api_token"], lines[0]["user"]) == ("…", "…", "user-1")
    assert lines[0]["level"] == "info"
