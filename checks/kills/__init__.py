"""Commands ended by kill -9 at random moments, then begun again and compared."""
