"""First tables of the registry."""

revision = "0002_registry"
down_revision = "0001_journal"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""


def downgrade() -> None:
    """Drop them."""
