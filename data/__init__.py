"""Cards of the named data sets (TOML) and the bundled checkpoint."""
