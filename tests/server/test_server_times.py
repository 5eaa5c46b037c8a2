"""Moments of questions: what is left out is now, and the beginning of the epoch is a moment like others."""

from gemel.server.routes.items import moments


def test_the_first_moment_of_the_epoch_is_not_now() -> None:
    assert moments("1970-01-01T00:00:00Z", "") == {"at": 0, "known": None}
