-- Open connections by whom, by gateway and by time. Only open rows lie in these, few among many: an opening
-- adds its row, and the end takes it out again. Partitions made later inherit them.
--
-- Sessions in the order of bytes, as in sessions_by_id: so the page of a gateway that holds a hundred thousand
-- connections is read from where it begins, and no further than it goes.
--
-- While they are made the writer of the history waits; what it has to write stays in Redis meanwhile.
CREATE INDEX connections_open_by_user ON connections (user_id, session_id COLLATE "C")
    WHERE disconnected_at IS NULL;
CREATE INDEX connections_open_by_gateway ON connections (gateway, session_id COLLATE "C")
    WHERE disconnected_at IS NULL;
CREATE INDEX connections_open_by_time ON connections (connected_at, session_id, id) WHERE disconnected_at IS NULL;

COMMENT ON INDEX connections_open_by_user IS 'Sessions a user is connected to now';
COMMENT ON INDEX connections_open_by_gateway IS 'Sessions a gateway holds connections to now, and how many each holds';
COMMENT ON INDEX connections_open_by_time IS 'Open connections alone, in the order of the keyset pages';
