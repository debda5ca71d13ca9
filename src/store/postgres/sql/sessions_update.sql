-- What a batch says of each session, null where it says nothing; only if it is newer than what wrote the
-- row, so that a replay never goes back.
UPDATE sessions AS s
SET state              = coalesce(news.state, s.state),
    generation         = coalesce(news.generation, s.generation),
    active_connections = coalesce(news.active_connections, s.active_connections),
    last_connection    = coalesce(news.last_connection, s.last_connection),
    last_disconnect    = coalesce(news.last_disconnect, s.last_disconnect),
    updated_at         = news.updated_at,
    stream_ms          = news.stream_ms,
    stream_seq         = news.stream_seq
FROM unnest(
    $1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::timestamptz[],
    $7::timestamptz[], $8::bigint[], $9::bigint[]
) AS news (
    id, state, generation, active_connections, last_connection, last_disconnect,
    updated_at, stream_ms, stream_seq
)
WHERE s.id = news.id
  AND (s.stream_ms, s.stream_seq) < (news.stream_ms, news.stream_seq)
