-- Rows for sessions not seen before, older than any entry: sessions_update.sql fills them. Two statements,
-- because an upsert cannot tell "no news" from a value in a column that may not be null.
INSERT INTO sessions (id, updated_at, stream_ms, stream_seq)
SELECT id, to_timestamp(0), -1, 0 FROM unnest($1::text[]) AS fresh (id)
ON CONFLICT DO NOTHING
