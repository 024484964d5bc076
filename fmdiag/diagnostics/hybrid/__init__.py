"""The diagnostic hybrid: card, measurement and what belongs to it."""
