"""A process that writes and computes until it is killed; says the position after every write."""

import sys
from pathlib import Path

import gemel
from gemel.intake import Message, Reported

TWINS = 20


def main(folder: Path, start: int) -> None:
    with gemel.open(folder) as plant:
        for number in range(start, 1_000_000):
            twin = f"line-1-mill-{number % TWINS}"
            told = [Reported(twin=twin, property="feed", value=float(number % 997 + 1), time=None)]
            told.append(Reported(twin=twin, property="speed", value=float(number % 31 + 1), time=None))
            told.append(Reported(twin=f"{twin}-spindle", property="power", value=float(number % 13), time=None))
            receipt = plant.ingest([Message(readings=told, id=f"n-{number}")])
            sys.stdout.write(f"{receipt.last}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
