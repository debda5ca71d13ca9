-- What happened to sessions and why; connections have their own table.
CREATE TABLE session_events (
    epoch      text        NOT NULL,
    partition  integer     NOT NULL,
    stream_ms  bigint      NOT NULL,
    stream_seq bigint      NOT NULL,
    session_id text        NOT NULL,
    kind       text        NOT NULL,
    generation bigint,
    actor      text        NOT NULL,
    reason     text        NOT NULL,
    inputs     jsonb       NOT NULL DEFAULT '{}',
    at         timestamptz NOT NULL,
    -- The position in the stream names the entry for ever, so that a replayed one does nothing.
    PRIMARY KEY (epoch, partition, stream_ms, stream_seq)
);

CREATE INDEX session_events_by_session ON session_events (session_id, at, stream_ms, stream_seq);

COMMENT ON TABLE session_events IS 'Decisions about sessions and what became of them, one row per entry of the history stream';
COMMENT ON COLUMN session_events.epoch IS 'Which life of the partition''s Redis data the entry comes from';
COMMENT ON COLUMN session_events.partition IS 'Number of the partition in Redis';
COMMENT ON COLUMN session_events.stream_ms IS 'First half of the entry''s stream id: milliseconds of the Redis clock';
COMMENT ON COLUMN session_events.stream_seq IS 'Second half of the entry''s stream id';
COMMENT ON COLUMN session_events.session_id IS 'Session it is about';
COMMENT ON COLUMN session_events.kind IS 'would_hibernate, hibernating, hibernated, abandoned, waking, running, terminated';
COMMENT ON COLUMN session_events.generation IS 'Generation after the step; null where nothing was decided (would_hibernate)';
COMMENT ON COLUMN session_events.actor IS 'Who did it: open, sweeper, platform, operator';
COMMENT ON COLUMN session_events.reason IS 'Why, one word or a short phrase';
COMMENT ON COLUMN session_events.inputs IS 'What the decision was made from';
COMMENT ON COLUMN session_events.at IS 'When, by the clock of Redis';
