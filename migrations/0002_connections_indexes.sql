-- The three ways connections are looked for besides their key. Partitions made later inherit them.

-- Open rows apart: few among many, read by bare id and as a whole after Redis lost its data.
CREATE INDEX connections_open ON connections (id, session_id) WHERE disconnected_at IS NULL;

-- The last column makes the index deliver the order of the keyset pages.
CREATE INDEX connections_by_session ON connections (session_id, connected_at, id);
CREATE INDEX connections_by_user ON connections (user_id, connected_at, session_id, id);

COMMENT ON INDEX connections_open IS 'Connections that have not ended';
COMMENT ON INDEX connections_by_session IS 'History of a session, by time';
COMMENT ON INDEX connections_by_user IS 'History of a user, by time';
