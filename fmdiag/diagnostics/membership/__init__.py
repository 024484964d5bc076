"""The diagnostic membership: card, measurement and what belongs to it."""
