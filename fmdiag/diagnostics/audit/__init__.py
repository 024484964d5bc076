"""The document of an audit: hypotheses, verdicts, limits, schema."""
