SELECT s.id, s.state, s.generation, s.active_connections, s.last_connection, s.last_disconnect, s.updated_at
FROM sessions AS s
WHERE true
