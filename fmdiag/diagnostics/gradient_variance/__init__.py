"""The diagnostic gradient-variance: card, measurement and what belongs to it."""
