INSERT INTO session_events (
    epoch, partition, stream_ms, stream_seq, session_id, kind, generation, actor, reason, inputs, at
)
SELECT *
FROM unnest(
    $1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::text[],
    $9::text[], $10::jsonb[], $11::timestamptz[]
)
ON CONFLICT DO NOTHING
