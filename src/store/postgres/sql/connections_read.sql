SELECT id, session_id, user_id, host(client_ip) AS client_ip, user_agent, protocol, gateway,
       connected_at, last_seen_at, disconnected_at, end_reason
FROM connections
WHERE true
