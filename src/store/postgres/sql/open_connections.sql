-- Connections that have not ended, behind ($1 session, $2 id, $3 opening in us).
SELECT session_id, id, (extract(epoch FROM connected_at) * 1000000)::bigint AS connected_at_us,
       (extract(epoch FROM last_seen_at) * 1000000)::bigint AS last_seen_us,
       user_id, host(client_ip) AS client_ip, user_agent, protocol, gateway, metadata
FROM connections
WHERE disconnected_at IS NULL
  AND (session_id, id, (extract(epoch FROM connected_at) * 1000000)::bigint) > ($1, $2, $3)
ORDER BY session_id, id, connected_at_us
LIMIT $4
