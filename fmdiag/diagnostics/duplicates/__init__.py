"""The diagnostic duplicates: card, measurement and what belongs to it."""
