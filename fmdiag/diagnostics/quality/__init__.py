"""The diagnostic quality: card, measurement and what belongs to it."""
