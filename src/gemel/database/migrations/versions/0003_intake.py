"""First tables of the intake."""

revision = "0003_intake"
down_revision = "0002_registry"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""


def downgrade() -> None:
    """Drop them."""
