"""How a configuration is kept up: promises, snapshots, and events that become operations."""
