"""The diagnostic error: card, measurement and what belongs to it."""
