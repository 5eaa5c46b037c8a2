"""Install what the tests need beyond Python packages, where that is allowed: `python -m tests.prepare`.

Debian's `chromium` drives the web app's tests, `mosquitto` is one of the brokers that MQTT is tested against. Without
root, or where the packages cannot be had, the tests that need them skip by name.
"""

import os
import shutil
import subprocess

NEEDED = {"chromium": "chromium", "mosquitto": "mosquitto"}


def main() -> None:
    missing = [package for program, package in NEEDED.items() if not found(program)]
    if not missing:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print(f"not installed, and not allowed to install: {', '.join(missing)}; their tests will skip")
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
        print(f"{package}: {'installed' if done.returncode == 0 else 'could not be installed; its tests will skip'}")


def found(program: str) -> bool:
    return bool(shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"))


if __name__ == "__main__":
    main()
