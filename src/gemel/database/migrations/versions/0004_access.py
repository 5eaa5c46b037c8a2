"""First tables of the access."""

revision = "0004_access"
down_revision = "0003_intake"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""


def downgrade() -> None:
    """Drop them."""
