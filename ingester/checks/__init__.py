"""Rules compiled into checks over whole columns. Knows rules and Arrow, not files or databases."""
