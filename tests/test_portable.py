"""Gemel needs nothing that only POSIX has: with what Windows lacks taken away, it opens, keeps, backs up and restores.

What cannot be tried here (how Windows treats files that are open) is in `docs/how-to/install.md`.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

WITHOUT = """
import importlib, pkgutil, sys, os, socket, signal, asyncio
from pathlib import Path

for name in Path(sys.argv[2]).read_text().split():  # what others need of the system is theirs to guard
    try:
        importlib.import_module(name)
    except ImportError:
        continue

for name in ("fcntl", "pwd", "grp", "resource", "termios", "tty", "pty", "syslog", "uvloop", "crypt", "posix_ipc"):
    sys.modules[name] = None
for room, names in {
    os: ("pwrite", "pread", "fork", "forkpty", "geteuid", "chown", "fchown", "lchown", "mkfifo",
         "posix_fadvise", "posix_fallocate", "setsid", "killpg", "getpgid", "nice",
         "sched_getaffinity", "fdatasync", "sync", "O_NOFOLLOW", "O_DIRECTORY", "O_SYNC"),
    socket: ("AF_UNIX", "SO_REUSEPORT"),
    signal: ("SIGKILL", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "setitimer", "pthread_sigmask"),
}.items():
    for name in names:
        if hasattr(room, name):
            delattr(room, name)


def no_links(*_, **__):
    raise OSError("a required privilege is not held by the client")


os.symlink = Path.symlink_to = no_links


def cannot(*_, **__):
    raise NotImplementedError


asyncio.SelectorEventLoop.add_signal_handler = cannot
"""

IMPORT = """
import importlib, pkgutil, sys
import gemel
seen = 0
for found in pkgutil.walk_packages(gemel.__path__, "gemel."):
    if not found.name.endswith(("__main__", ".migrations.env")):  # which alembic runs
        importlib.import_module(found.name)
        seen += 1
print(seen)
"""
OTHERS = (
    IMPORT
    + """
names = [name for name, found in sys.modules.items() if found is not None and not name.startswith("gemel")]
print("\\n".join(name for name in names if "__main" not in name))
"""
)

USE = """
import gemel
from gemel.clock import WallClock
from gemel.diagnosis import at_rest, doctor, worst
from gemel.backup import Vault, restore

at_rest.SLOW_FSYNC_MS = 3_600_000.0
here = Path(sys.argv[1])
with gemel.open(here / "plant") as plant:
    plant.apply({"gemel": 1, "types": [{"id": "press", "properties": [{"name": "force", "unit": "kN"}]}],
                 "twins": [{"id": "press-7", "types": ["press"]}]})
    for value in range(5):
        plant.write("press-7", "force", float(value))
    plant.history.flush()
    assert plant.backup(here / "vault").position == plant.position - 1
    plant.export_everything(here / "all")
    assert plant.verify().ok
restored = restore(Vault(here / "vault"), here / "again")
for folder in ("plant", "again"):
    with gemel.open(here / folder) as plant:
        assert plant.now("press-7")["force"].value == 4.0
        assert len(plant.range("press-7", "force", 0, plant.clock.now() + 1).columns["time"]) == 5
    told = doctor(here / folder, WallClock(), full=True)
    assert worst(told) == "ok", told
names = [path.name for path in here.rglob("*")]
bad = [name for name in names if set(name) & set('<>:"|?*') or name.endswith((" ", "."))]
assert not bad, f"Windows takes no such names: {bad}"
print("used")
"""


def run(program: str, *arguments: str) -> str:
    command = [sys.executable, "-W", "ignore", "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_all_is_imported_and_a_plant_lives_without_what_only_posix_has(tmp_path: Path) -> None:
    """Opened, written to, backed up, restored, exported, looked at; and its names of files suit Windows."""
    _, *others = run(OTHERS).split()
    (tmp_path / "others").write_text("\n".join(others))
    (tmp_path / "plants").mkdir()
    count, used = run(WITHOUT + IMPORT + USE, str(tmp_path / "plants"), str(tmp_path / "others")).split()[-2:]
    assert int(count) > 300
    assert used == "used"
