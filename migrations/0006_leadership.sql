-- Who swept when; the floor of the next term after Redis lost its own count.
CREATE TABLE leadership (
    term   bigint      NOT NULL,
    holder text        NOT NULL,
    won_at timestamptz NOT NULL DEFAULT now(),
    -- With the holder, so that two that claim one term are both on record.
    PRIMARY KEY (term, holder)
);

COMMENT ON TABLE leadership IS 'Every time a replica became the leader';
COMMENT ON COLUMN leadership.term IS 'Term it won; rises with every change of leader';
COMMENT ON COLUMN leadership.holder IS 'Replica that won it';
COMMENT ON COLUMN leadership.won_at IS 'When it was recorded, by the clock of Postgres';
