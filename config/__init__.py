"""What the environment says, read once and checked, and how the process logs."""
