-- One row per connection met in a batch: its opening, its end, or both folded into one.
--
-- An opening that meets its row changes nothing, so that a replayed one does not reopen it; an end closes
-- the row only while it is open, so that the first end stands; an end without its opening makes the row.
INSERT INTO connections AS c (
    connected_at, session_id, id, user_id, client_ip, user_agent, protocol, gateway, metadata,
    last_seen_at, disconnected_at, end_reason
)
SELECT *
FROM unnest(
    $1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::inet[], $6::text[], $7::text[], $8::text[],
    $9::jsonb[], $10::timestamptz[], $11::timestamptz[], $12::text[]
)
ON CONFLICT (connected_at, session_id, id) DO UPDATE
SET last_seen_at    = greatest(c.last_seen_at, excluded.last_seen_at),
    disconnected_at = excluded.disconnected_at,
    end_reason      = excluded.end_reason
WHERE c.disconnected_at IS NULL
  AND excluded.disconnected_at IS NOT NULL
