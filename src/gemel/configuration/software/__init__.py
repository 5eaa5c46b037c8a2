"""Software as configuration: versions, needs, requirements, and what devices report."""
