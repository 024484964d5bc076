"""The diagnostic memorization: card, measurement and what belongs to it."""
