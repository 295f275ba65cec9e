"""Frozen records and pure functions that every layer shares; no input or output here."""
