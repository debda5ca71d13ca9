INSERT INTO dead_letters (epoch, partition, stream_ms, stream_seq, fields, error)
SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::jsonb[], $6::text[])
ON CONFLICT DO NOTHING
