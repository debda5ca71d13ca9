-- The history of session $1, newest first: its own events, and the openings and ends of its connections.
-- Begins behind the row ($2 at, $3 place, $4 major, $5 minor, $6 key), or at the newest when $2 is null.
--
-- What happened in the same millisecond is ordered by place: ends, then openings (a connection that
-- replaces another), then ends of connections that lasted no time at all, then events of the session
-- (an opening wakes, the last end terminates). Events among themselves keep the order of the stream;
-- connections have none, so that their major and key only have to be unique.
WITH own AS (
    SELECT at, 4 AS place, stream_ms AS major, stream_seq AS minor, epoch AS key,
           kind, generation, actor, reason, NULL::text AS connection_id, inputs
    FROM session_events
    WHERE session_id = $1
      AND (at, 4, stream_ms, stream_seq, epoch) < (coalesce($2, 'infinity'::timestamptz), $3, $4, $5, $6)
    ORDER BY at DESC, stream_ms DESC, stream_seq DESC, epoch DESC
    LIMIT $7
),
lives AS (
    SELECT connected_at, disconnected_at, id, end_reason,
           (extract(epoch FROM connected_at) * 1000000)::bigint AS major,
           jsonb_strip_nulls(jsonb_build_object(
               'user_id', user_id, 'client_ip', host(client_ip), 'protocol', protocol, 'gateway', gateway
           )) AS inputs
    FROM connections
    WHERE session_id = $1
),
opened AS (
    SELECT connected_at AS at, 2 AS place, major, 0::bigint AS minor, id AS key,
           'opened' AS kind, NULL::bigint AS generation, 'gateway' AS actor, NULL::text AS reason,
           id AS connection_id, inputs
    FROM lives
    WHERE (connected_at, 2, major, 0, id) < (coalesce($2, 'infinity'::timestamptz), $3, $4, $5, $6)
    ORDER BY connected_at DESC, id DESC
    LIMIT $7
),
ended AS (
    SELECT *
    FROM (
        SELECT disconnected_at AS at,
               CASE WHEN disconnected_at <= connected_at THEN 3 ELSE 1 END AS place,
               major, 0::bigint AS minor, id AS key,
               CASE end_reason WHEN 'expired' THEN 'expired' ELSE 'closed' END AS kind,
               NULL::bigint AS generation,
               CASE end_reason
                   WHEN 'expired' THEN 'sweeper'
                   WHEN 'session_terminated' THEN 'platform'
                   ELSE 'gateway'
               END AS actor,
               end_reason AS reason, id AS connection_id, inputs
        FROM lives
        WHERE disconnected_at IS NOT NULL
    ) AS ends
    WHERE (at, place, major, minor, key) < (coalesce($2, 'infinity'::timestamptz), $3, $4, $5, $6)
    ORDER BY at DESC, place DESC, major DESC, minor DESC, key DESC
    LIMIT $7
)
SELECT * FROM own
UNION ALL SELECT * FROM opened
UNION ALL SELECT * FROM ended
ORDER BY at DESC, place DESC, major DESC, minor DESC, key DESC
LIMIT $7
