"""The diagnostic geometry: card, measurement and what belongs to it."""
