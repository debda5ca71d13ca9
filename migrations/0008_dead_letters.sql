-- Entries of the history stream that could not be read or that Postgres refused, kept for a person to
-- look at. They are taken off the stream, since one bad entry must not hold up all after it.
CREATE TABLE dead_letters (
    epoch      text        NOT NULL,
    partition  integer     NOT NULL,
    stream_ms  bigint      NOT NULL,
    stream_seq bigint      NOT NULL,
    fields     jsonb       NOT NULL,
    error      text        NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (epoch, partition, stream_ms, stream_seq)
);

COMMENT ON TABLE dead_letters IS 'History entries that could not be written; should be empty';
COMMENT ON COLUMN dead_letters.epoch IS 'Which life of the partition''s Redis data the entry comes from';
COMMENT ON COLUMN dead_letters.partition IS 'Number of the partition in Redis';
COMMENT ON COLUMN dead_letters.stream_ms IS 'First half of the entry''s stream id: milliseconds of the Redis clock';
COMMENT ON COLUMN dead_letters.stream_seq IS 'Second half of the entry''s stream id';
COMMENT ON COLUMN dead_letters.fields IS 'The entry as it was found; NUL characters replaced by U+FFFD';
COMMENT ON COLUMN dead_letters.error IS 'Why it could not be written';
COMMENT ON COLUMN dead_letters.at IS 'When it was put here, by the clock of Postgres';
