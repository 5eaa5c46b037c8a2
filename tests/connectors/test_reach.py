"""Secrets are read where references say, and nothing else of the server is."""

import sys
import types
from pathlib import Path

import pytest

from gemel.connectors import SecretRef
from gemel.connectors.reach import Reach, in_header
from gemel.errors import InvalidDocument
from gemel.twin import ConnectorSpec
from tests.connectors.house import House


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    (tmp_path / "secrets" / "plant").mkdir(parents=True)
    (tmp_path / "secrets" / "mqtt").write_text("from a file\n")
    (tmp_path / "gemel.owner").write_text("the owner's token")
    (tmp_path / "secrets" / "out").symlink_to(tmp_path / "gemel.owner")
    (tmp_path / "secrets" / "in").symlink_to("mqtt")
    (tmp_path / "secrets" / "round").symlink_to("round")
    return tmp_path


def test_secrets_are_read_where_the_reference_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reach = Reach.of(folder)
    monkeypatch.setenv("GEMEL_SECRET_TEST", "from the environment")
    assert reach.secret(SecretRef(env="GEMEL_SECRET_TEST")) == "from the environment"
    for name in ("mqtt", "in", "plant/../mqtt", str(folder / "secrets/mqtt")):
        assert reach.secret(SecretRef(file=name)) == "from a file"
    ring = types.SimpleNamespace(
        get_password=lambda service, user: f"{user} of {service}" if user != "nobody" else None
    )
    monkeypatch.setitem(sys.modules, "keyring", ring)  # type: ignore[arg-type]
    assert reach.secret(SecretRef(keyring="gemel/mqtt/anna")) == "anna of gemel/mqtt"
    with pytest.raises(InvalidDocument, match="holds nothing for gemel/nobody"):
        reach.secret(SecretRef(keyring="gemel/nobody"))


def test_credentials_of_the_service_manager_take_the_place_of_the_folders(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path_factory.mktemp("credentials")
    (given / "broker").write_text("given")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(given))
    assert Reach.of(folder).secret(SecretRef(file="broker")) == "given"
    with pytest.raises(InvalidDocument, match="is not below the directory of secrets"):
        Reach.of(folder).secret(SecretRef(file=str(folder / "secrets/mqtt")))


@pytest.mark.parametrize("secret", ["hush\nX: y", " hush", "hush ", "hush\x00", "hushä"])
def test_a_secret_that_no_header_may_have_is_refused_and_not_told(secret: str) -> None:
    with pytest.raises(InvalidDocument) as raised:
        in_header(secret)
    assert "hush" not in f"{raised.value.detail} {raised.value.problems}"
    assert in_header("Bearer hush") == "Bearer hush"


ELSEWHERE = [
    {"file": "../gemel.owner"},
    {"file": "plant/gemel.owner/../../../gemel.owner"},
    {"file": "/etc/hostname"},
    {"file": "/proc/self/environ"},
    {"file": "out"},
    {"file": "."},
    {"file": "round"},
    {"file": "mq\0tt"},
    {"env": "PATH"},
    {"env": "GEMEL_TOKEN"},
    {"keyring": "login/anna"},
    {"keyring": "gemel"},
    {"env": "GEMEL_SECRET_NOT_SET"},
    {"file": "nothing"},
]


@pytest.mark.parametrize("fields", ELSEWHERE, ids=str)
def test_what_is_not_meant_for_connectors_is_refused_with_the_reference_named(
    folder: Path, fields: dict[str, str]
) -> None:
    with pytest.raises(InvalidDocument) as refused:
        Reach.of(folder).secret(SecretRef(**fields))
    ((how, name),) = fields.items()
    (problem,) = refused.value.problems
    assert problem.field == how
    assert name.replace("\0", "\\x00") in problem.message
    assert "token" not in problem.message.replace(name, "")


def test_without_a_folder_no_file_is_reached(folder: Path) -> None:
    with pytest.raises(InvalidDocument, match="there is no directory of secrets here"):
        Reach().secret(SecretRef(file=str(folder / "secrets/mqtt")))


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ({"file": "gemel.owner"}, "file 'gemel.owner' cannot be read"),
        ({"file": "../gemel.owner"}, "is not below the directory of secrets"),
        ({"file": "/etc/hostname"}, "is not below the directory of secrets"),
        ({"file": "out"}, "is not below the directory of secrets"),
        ({"env": "PATH"}, "environment variable PATH is not for connectors"),
    ],
)
def test_a_connector_that_asks_for_more_says_so_in_its_health(
    folder: Path, password: dict[str, str], reason: str
) -> None:
    house = House(folder)
    try:
        settings = {"url": "mqtt://127.0.0.1:1", "user": "gemel", "password": password}
        house.run([ConnectorSpec(id="spy", kind="mqtt", settings=settings)])
        house.until(lambda: house.supervisor.health()["spy"].errors)
        assert reason in house.supervisor.health()["spy"].last_error
    finally:
        house.close()
