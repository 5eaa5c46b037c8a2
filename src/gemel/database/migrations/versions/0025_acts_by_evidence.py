"""Acts of the configuration are found by what they rest on, and by what they amend."""

import sqlalchemy as sa
from alembic import op

revision = "0025_acts_by_evidence"
down_revision = "0024_bulletins"
branch_labels = None
depends_on = None

_WHERE = {
    "evidence": "evidence <> '' AND length(evidence) <= 500",
    "source": "substr(source, 1, 7) = 'record:'",
    "amends": "amends IS NOT NULL",
}


def upgrade() -> None:
    """Of those few that say it; a name has 410 characters at most, and PostgreSQL refuses to index over 2,704 bytes."""
    for column, condition in _WHERE.items():
        name, where = f"ix_configuration_act_{column}", sa.text(condition)
        op.create_index(name, "configuration_act", [column], sqlite_where=where, postgresql_where=where)
