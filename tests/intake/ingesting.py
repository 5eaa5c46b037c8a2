"""A nursery of processes that take in and say what was acknowledged, until they are killed.

Each line `database start base` on standard input starts one, by a fork, as importing takes longer than a round. It says
its process id, then `stream number` for each receipt: what is acknowledged must never be lost. After its death: `gone`.
"""

import os
import sys
from concurrent.futures import Future

from gemel.clock import WallClock
from gemel.intake import Happened, Message, Reported
from tests.intake.plant import World

WINDOW = 50


def messages(stream: str, number: int, time: int) -> Message:
    """The message of a number: always the same."""
    told = [Reported(twin="press-1", property=name, value=number, time=time) for name in ("count", "force")]
    if stream == "ids":
        return Message(
            readings=told[:1], events=[Happened(twin="press-1", event="overheated", time=time)], id=f"m-{number}"
        )
    if stream == "numbers":
        return Message(readings=[Reported(twin="press-2", property="count", value=number, time=time)], sequence=number)
    return Message(readings=[Reported(twin="press-3", property="count", value=number, time=time)])


def say(*words: object) -> None:
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def take_in(path: str, start: int, base: int) -> None:
    world = World(path, clock=WallClock())
    waiting: list[tuple[str, int, Future]] = []
    number = start
    while True:
        for stream in ("ids", "numbers", "plain"):
            # receipts that the kill swallowed: these are told again, after a reconnect
            resumed = stream == "plain" and number < start + 2 * WINDOW
            future = world.intake.submit(stream, [messages(stream, number, base + number)], resumed=resumed)
            waiting.append((stream, number, future))
        number += 1
        while len(waiting) > WINDOW:
            stream, told, future = waiting.pop(0)
            future.result()
            say(stream, told)


def main() -> None:
    for line in sys.stdin:
        path, start, base = line.split()
        child = os.fork()
        if child == 0:
            say(os.getpid())
            take_in(path, int(start), int(base))
        os.waitpid(child, 0)
        say("\ngone")


if __name__ == "__main__":
    main()
