"""Where sockets end: HTTP, the WebSocket connection, its reader and its writer."""
