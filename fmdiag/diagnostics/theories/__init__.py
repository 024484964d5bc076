"""The diagnostic theories: card, measurement and what belongs to it."""
