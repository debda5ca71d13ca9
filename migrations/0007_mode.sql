-- Observe or act: one row per change, the highest version is in force. No row: observe.
CREATE TABLE mode (
    version    bigint      PRIMARY KEY,
    mode       text        NOT NULL CHECK (mode IN ('observe', 'act')),
    adopt      text        NOT NULL CHECK (adopt IN ('none', 'all')),
    changed_by text        NOT NULL,
    reason     text,
    changed_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE mode IS 'Every change of the mode; the row with the highest version is in force';
COMMENT ON COLUMN mode.version IS 'Rises with every change, at least the time in ms when it was made; the copies in Redis carry it, so an old one never wins';
COMMENT ON COLUMN mode.mode IS 'observe: record what would be done; act: put idle sessions to sleep';
COMMENT ON COLUMN mode.adopt IS 'none: only sessions with a connection since, or created after; all: every session';
COMMENT ON COLUMN mode.changed_by IS 'Who changed it, as they said';
COMMENT ON COLUMN mode.reason IS 'Why, as they said';
COMMENT ON COLUMN mode.changed_at IS 'When, by the clock of Postgres';
