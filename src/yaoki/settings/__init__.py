"""Settings: TOML and environment, parsed into frozen policies."""
