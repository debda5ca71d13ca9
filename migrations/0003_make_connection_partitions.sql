-- Makes the monthly partitions of `connections` ahead of time.
--
-- Safe at any moment: nothing happens for months that exist; an advisory lock lets one caller work at a
-- time; rows of the month that already lie in the default partition are moved in the same transaction.
CREATE FUNCTION make_connection_partitions(first_month timestamptz, months integer) RETURNS integer
LANGUAGE plpgsql
-- Months begin at midnight UTC whatever the caller's zone.
SET timezone = 'UTC'
-- The default partition is locked whole for a moment. Readers queue behind a lock that waits, so
-- waiting longer than this is worse than failing and being called again.
SET lock_timeout = '2s'
AS $$
DECLARE
    made       integer := 0;
    lower_at   timestamptz;
    upper_at   timestamptz;
    month_name text;
BEGIN
    FOR offset_months IN 0 .. months - 1 LOOP
        lower_at := date_trunc('month', first_month) + make_interval(months => offset_months);
        upper_at := lower_at + interval '1 month';
        month_name := 'connections_' || to_char(lower_at, 'YYYY_MM');

        CONTINUE WHEN EXISTS (
            SELECT FROM pg_inherits
            WHERE inhparent = 'connections'::regclass AND inhrelid = to_regclass(month_name)
        );
        PERFORM pg_advisory_xact_lock(hashtext('make_connection_partitions'));
        -- Again under the lock: another caller may have made it meanwhile.
        CONTINUE WHEN EXISTS (
            SELECT FROM pg_inherits
            WHERE inhparent = 'connections'::regclass AND inhrelid = to_regclass(month_name)
        );

        -- A table of its own, filled and then attached: CREATE ... PARTITION OF would lock the whole
        -- of `connections` and refuse a month whose rows lie in the default partition. The default
        -- partition is locked first, as no writer ever waits for `connections` itself while it holds it.
        LOCK TABLE connections_default IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('CREATE TABLE %I (LIKE connections INCLUDING ALL)', month_name);
        EXECUTE format(
            'WITH moved AS (
                 DELETE FROM connections_default WHERE connected_at >= %L AND connected_at < %L RETURNING *
             )
             INSERT INTO %I SELECT * FROM moved',
            lower_at, upper_at, month_name);
        EXECUTE format(
            'ALTER TABLE connections ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            month_name, lower_at, upper_at);
        EXECUTE format('COMMENT ON TABLE %I IS %L', month_name,
            'Connections opened in ' || to_char(lower_at, 'YYYY-MM') || ' (UTC)');
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;

COMMENT ON FUNCTION make_connection_partitions(timestamptz, integer) IS
    'Makes the partitions of connections for so many months from that of first_month; returns how many it made';
