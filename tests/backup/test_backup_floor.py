"""What a restore to a later moment needs of the journal stays in it, whatever its retention says."""

import gemel
from gemel.backup import Goal, Vault, restore
from tests.backup.conftest import PLANT


def test_readings_that_no_backup_has_as_history_stay_in_the_journal(tmp_path):
    (tmp_path / "plant").mkdir()
    (tmp_path / "plant" / "gemel.yaml").write_text(
        f"backup: {{to: {tmp_path / 'vault'}, every: forever, follow: true, follow_every_s: 3600}}\n"
    )
    with gemel.open(tmp_path / "plant") as platform:
        platform.apply(PLANT)
        assert platform.backups.wait_made(1, 60)
        first = platform.backups.make()
        for value in range(20):
            position = platform.write("press-7", "oil_temperature", value)
        platform.history.flush()
        floor = platform.backups.floor
        assert floor is not None
        assert floor <= first.position
        platform.journal.expire(min(position, floor) + 1)
        platform.backups.log.poll()
    restore(Vault(tmp_path / "vault"), tmp_path / "again", goal=Goal(position=position))
    with gemel.open(tmp_path / "again") as again:
        told = again.range("press-7", "oil_temperature", 0, again.clock.now(), method="raw").columns["value"]
        assert list(told) == list(range(20))
