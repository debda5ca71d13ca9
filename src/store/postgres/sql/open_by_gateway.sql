-- How many connections each gateway holds, those with most first.
SELECT coalesce(gateway, '') AS gateway, count(*) AS open
FROM connections
WHERE disconnected_at IS NULL
GROUP BY gateway
ORDER BY count(*) DESC, gateway
LIMIT $1
