-- One row per connection of a user to a session. Rows arrive by the history stream and are only ever
-- inserted or, once, closed; they are partitioned by month so that old months can be dropped whole.
CREATE TABLE connections (
    connected_at    timestamptz NOT NULL,
    session_id      text        NOT NULL,
    id              text        NOT NULL,
    user_id         text        NOT NULL,
    client_ip       inet,
    user_agent      text,
    protocol        text,
    gateway         text,
    metadata        jsonb       NOT NULL DEFAULT '{}',
    last_seen_at    timestamptz NOT NULL,
    disconnected_at timestamptz,
    end_reason      text,
    -- An id may be used again after it expired: the instant of the opening tells the rows apart. It is
    -- also what makes a replayed entry find its own row.
    PRIMARY KEY (connected_at, session_id, id)
) PARTITION BY RANGE (connected_at);

-- A month nobody made a partition for must never refuse a row.
CREATE TABLE connections_default PARTITION OF connections DEFAULT;

COMMENT ON TABLE connections IS 'Every connection of a user to a session, open or ended; partitioned by month (UTC) of connected_at';
COMMENT ON COLUMN connections.connected_at IS 'When it was opened, by the clock of Redis, to the millisecond';
COMMENT ON COLUMN connections.session_id IS 'Session it belongs to';
COMMENT ON COLUMN connections.id IS 'Connection id, chosen by the gateway; unique within the session while it is open';
COMMENT ON COLUMN connections.user_id IS 'User, as the gateway names them';
COMMENT ON COLUMN connections.client_ip IS 'Address of the user, truncated to /24 or /48 unless configured otherwise';
COMMENT ON COLUMN connections.user_agent IS 'User agent, cut to 512 bytes';
COMMENT ON COLUMN connections.protocol IS 'websocket, vnc, http, ...';
COMMENT ON COLUMN connections.gateway IS 'Gateway that held the socket';
COMMENT ON COLUMN connections.metadata IS 'Small map of text to text of the caller''s own';
COMMENT ON COLUMN connections.last_seen_at IS 'Last heartbeat known to the history; exact once the connection has ended';
COMMENT ON COLUMN connections.disconnected_at IS 'When it ended: the close, or for an expired one its last heartbeat; null while open';
COMMENT ON COLUMN connections.end_reason IS 'client_closed, expired, replaced, session_terminated, ...; null while open';
COMMENT ON TABLE connections_default IS 'Connections of months without a partition of their own; normally empty';
