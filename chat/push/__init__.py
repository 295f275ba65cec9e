"""Push notifications: one interface, one adapter for each provider."""
