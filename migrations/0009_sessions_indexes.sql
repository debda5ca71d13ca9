-- The list of sessions: in the order of their ids, whole or of one state.
--
-- In the order of bytes, whatever the collation of the database: a page that begins behind an id must mean
-- the same before and after an upgrade of the system's locales, and a prefix must be a range of the index.
CREATE INDEX sessions_by_id ON sessions (id COLLATE "C");
CREATE INDEX sessions_by_state ON sessions (state, id COLLATE "C");

-- No index for idle time: it would be written with every opening and every end. What asks for idle sessions
-- reads the table in order, which for half a million rows stays far below a second.

COMMENT ON INDEX sessions_by_id IS 'Sessions in the order of their ids, and by prefix';
COMMENT ON INDEX sessions_by_state IS 'Sessions of a state in the order of their ids';
