-- Sessions as the history last saw them: for lists and reports. What is true now is in Redis.
CREATE TABLE sessions (
    id                 text        PRIMARY KEY,
    state              text,
    generation         bigint,
    platform_reference text,
    active_connections bigint      NOT NULL DEFAULT 0,
    last_connection    timestamptz,
    last_disconnect    timestamptz,
    updated_at         timestamptz NOT NULL,
    stream_ms          bigint      NOT NULL,
    stream_seq         bigint      NOT NULL
);

COMMENT ON TABLE sessions IS 'Each session as the history stream last told, possibly seconds old; the live state is in Redis';
COMMENT ON COLUMN sessions.id IS 'Session id';
COMMENT ON COLUMN sessions.state IS 'running, hibernating, hibernated, waking, terminated; null until the first event of the session itself';
COMMENT ON COLUMN sessions.generation IS 'Generation of the last decision; null until the first';
COMMENT ON COLUMN sessions.platform_reference IS 'The platform object behind the session, where known';
COMMENT ON COLUMN sessions.active_connections IS 'Connections after the last opening or end';
COMMENT ON COLUMN sessions.last_connection IS 'When a connection was last opened';
COMMENT ON COLUMN sessions.last_disconnect IS 'When the last remaining connection ended, the last time none was left';
COMMENT ON COLUMN sessions.updated_at IS 'When the entry that last wrote this row was made, by the clock of Redis';
COMMENT ON COLUMN sessions.stream_ms IS 'Stream id of the entry that last wrote this row, first half: an older entry, replayed, changes nothing';
COMMENT ON COLUMN sessions.stream_seq IS 'Stream id of the entry that last wrote this row, second half';
