-- When connections that are still open were last seen; a replay, or news older than the row's, changes nothing.
UPDATE connections AS c
SET last_seen_at = news.last_seen_at
FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::timestamptz[]) AS news (connected_at, session_id, id, last_seen_at)
WHERE (c.connected_at, c.session_id, c.id) = (news.connected_at, news.session_id, news.id)
  AND c.disconnected_at IS NULL
  AND c.last_seen_at < news.last_seen_at
