"""First tables of the history."""

revision = "0005_history"
down_revision = "0004_access"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""


def downgrade() -> None:
    """Drop them."""
