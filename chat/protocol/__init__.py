"""What travels on the wire, without any network: frames, events and the session's rules."""
