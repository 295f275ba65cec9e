"""Redis as the chat uses it: one Lua file per atomic step, typed wrappers, and every key in one file."""
