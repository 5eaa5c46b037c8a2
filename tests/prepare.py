"""Install what the tests need beyond Python packages, where that is allowed: `python -m tests.prepare`.

Debian's `chromium` drives the web app's tests, `mosquitto` is one of the brokers that MQTT is tested against,
`nginx` and `caddy` are proxies that the server is tested behind. Without root, or where the packages cannot be had,
the tests that need them skip by name.
"""

import ctypes
import os
import shutil
import subprocess
import sys

NEEDED = {
    "chromium": ["chromium"],
    "mosquitto": ["mosquitto"],
    "nginx": ["nginx-light"],
    "caddy": ["caddy"],
    "libatomic.so.1": ["libatomic1"],
    "cc": ["gcc", "libc6-dev"],
}
"""Program or shared library → Debian packages. The driver of browser tests is linked against libatomic; the faults of a
disk are injected by a small C library, built when its tests run."""


def main() -> None:
    missing = [package for wanted, packages in NEEDED.items() if not found(wanted) for package in packages]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        say(f"not installed, and not allowed to install: {', '.join(missing)}; their tests will skip")
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=environment, check=False)
    for package in missing:
        done = subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", package],
            env=environment,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        say(f"{package}: {'installed' if done.returncode == 0 else 'could not be installed; its tests will skip'}")


def found(wanted: str) -> bool:
    if ".so" in wanted:
        try:
            ctypes.CDLL(wanted)
        except OSError:
            return False
        return True
    return bool(shutil.which(wanted, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"))


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
