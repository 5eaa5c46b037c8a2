"""A plant with some of everything, and what was written to it."""

import threading
from contextlib import contextmanager

import pytest

import gemel
from gemel.testing.postgres import postgres

__all__ = ["postgres"]

PLANT = """
gemel: 1
site: {name: Test bed, time_zone: Europe/Berlin}
types:
  - id: press
    properties:
      - {name: oil_temperature, unit: Cel, maximum: 500}
      - {name: strokes, kind: integer}
      - {name: mode, kind: enumeration, values: [AUTOMATIC, MANUAL]}
    events: [{name: jammed}]
  - {id: hall}
twins:
  - {id: hall-2, types: [hall]}
  - {id: press-7, types: [press], serial: SN-4711, links: {located_in: hall-2}}
  - {id: press-8, types: [press], links: {located_in: hall-2}}
"""


@pytest.fixture
def plant(tmp_path):
    with gemel.open(tmp_path / "plant") as platform:
        platform.apply(PLANT)
        for value in range(50):
            platform.write("press-7", "oil_temperature", 20.0 + value)
            platform.write("press-8", "strokes", value)
        platform.write("press-7", "mode", "MANUAL")
        yield platform


class Writing:
    """What a thread wrote: (position, value), every one acknowledged."""

    def __init__(self, platform):
        self.platform = platform
        self.acknowledged = []
        self.some = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def _write(self):
        value = 0
        while not self._stop.is_set():
            position = self.platform.write("press-7", "oil_temperature", value % 500)
            self.acknowledged.append((position, value % 500))
            value += 1
            if value == 20:
                self.some.set()

    @contextmanager
    def running(self):
        self._thread.start()
        assert self.some.wait(60)
        try:
            yield self
        finally:
            self._stop.set()
            self._thread.join()


@pytest.fixture
def writing(plant):
    """A thread that writes one value after the other, from entering on until leaving."""
    with Writing(plant).running() as one:
        yield one
