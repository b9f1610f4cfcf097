-- Fills an empty, migrated claimcheck database on PostgreSQL for measuring: :orders orders of 2 lines of 2 units over 50 channels and 200
-- products, 3 of 8 units claimable, 3 active for one of 100,000 accounts, one expired, one revoked. Then `claimcheck verify` holds but for
-- what an event would have told: units are written as an import writes them. usage: psql -v orders=200000 -f benches/seed.sql
\set ON_ERROR_STOP on
SET synchronous_commit = off;
SET work_mem = '256MB';
CREATE FUNCTION pg_temp.v7(moment timestamptz) RETURNS uuid LANGUAGE sql VOLATILE AS $$
  SELECT (lpad(to_hex((extract(epoch from moment) * 1000)::bigint), 12, '0') || '7' || substr(r, 1, 3) || '8' || substr(r, 4, 15))::uuid
  FROM (SELECT replace(gen_random_uuid()::text, '-', '') AS r) AS random $$;
CREATE TEMP TABLE c AS SELECT g AS n, pg_temp.v7('2025-01-01'::timestamptz + g * interval '1 minute') AS id FROM generate_series(1, 50) g;
CREATE TEMP TABLE p AS SELECT g AS n, pg_temp.v7('2025-01-02'::timestamptz + g * interval '1 minute') AS id, gen_random_uuid() AS policy FROM generate_series(1, 200) g;
CREATE TEMP TABLE a AS SELECT g AS n, pg_temp.v7('2025-02-01'::timestamptz + g * interval '1 minute') AS id FROM generate_series(1, 100000) g;
CREATE TEMP TABLE h AS SELECT id FROM partners WHERE name = 'house' AND parent_id IS NULL;
INSERT INTO channels SELECT c.id, 1, 'Channel ' || n, 'DIRECT', h.id, true, now() FROM c, h;
INSERT INTO products SELECT id, 1, 'SKU-' || lpad(n::text, 5, '0'), 'Product number ' || n, policy, now() FROM p;
INSERT INTO policies SELECT policy, id, 1, 'DECOUPLED', true, NULL, 30, 300, 168, 60, true, true, NULL, '[]', 'NONE' FROM p;
INSERT INTO accounts SELECT a.id, h.id, 'acct-' || n, NULL, NULL, now() FROM a, h;
CREATE TEMP TABLE o AS SELECT g AS n, pg_temp.v7(t) AS id, t, 1 + g % 50 AS cn
  FROM (SELECT g, '2025-06-01'::timestamptz + g * interval '1 second' AS t FROM generate_series(1, :orders) g) AS moments;
INSERT INTO orders (id, version, channel_id, external_reference, partner_id, status, buyer_email, currency, total, placed_at, source, created_at)
  SELECT o.id, 1, c.id, 'EXT-' || lpad(o.n::text, 9, '0'), h.id, 'CONFIRMED', 'buyer' || o.n || '@example.com', 'EUR', '19.90', o.t, 'LEGACY', o.t
  FROM h, o JOIN c ON c.n = o.cn;
CREATE TEMP TABLE l AS SELECT o.n * 2 + k AS n, o.id AS order_id, o.cn, o.t, pg_temp.v7(o.t + k * interval '1 ms') AS id, 1 + (o.n * 7 + k * 101) % 200 AS pn FROM o, generate_series(0, 1) k;
INSERT INTO order_lines SELECT l.id, l.order_id, c.id, h.id, p.id, p.policy, 'DECOUPLED', 2, '9.95', NULL, NULL, NULL
  FROM h, l JOIN c ON c.n = l.cn JOIN p ON p.n = l.pn;
CREATE TEMP TABLE e AS SELECT l.n * 2 + k AS n, l.id AS line_id, l.order_id, l.pn, l.cn, l.t, pg_temp.v7(l.t + (10 + k) * interval '1 ms') AS id FROM l, generate_series(0, 1) k;
CREATE TEMP TABLE u AS SELECT e.*, (ARRAY['UNASSIGNED', 'UNASSIGNED', 'UNASSIGNED', 'ACTIVE', 'ACTIVE', 'ACTIVE', 'EXPIRED', 'REVOKED'])[1 + e.n % 8] AS status,
    CASE WHEN e.n % 8 IN (3, 4, 5) THEN a.id END AS holder FROM e JOIN a ON a.n = 1 + (e.n::bigint * 7919 % 100000);
INSERT INTO entitlements (id, version, status, order_line_id, order_id, channel_id, partner_id, product_id, holder_account_id, holder_partner_id, issued_at, expires_at)
  SELECT u.id, 1, u.status, u.line_id, u.order_id, c.id, h.id, p.id, u.holder, CASE WHEN u.holder IS NOT NULL THEN h.id END, u.t, u.t + interval '10 years'
  FROM h, u JOIN c ON c.n = u.cn JOIN p ON p.n = u.pn;
CREATE TEMP TABLE k AS SELECT u.*, pg_temp.v7(u.t + interval '20 ms') AS code_id FROM u;
INSERT INTO activation_codes SELECT code_id, id, (ARRAY['ISSUED', 'ISSUED', 'ISSUED', 'REDEEMED', 'REDEEMED', 'REDEEMED', 'EXPIRED', 'REVOKED'])[1 + n % 8],
    sha256(convert_to('code-' || n, 'UTF8')), 'seed', lpad((n % 10000)::text, 4, '0'), NULL, NULL, t, CASE WHEN n % 8 IN (3, 4, 5) THEN t END FROM k;
INSERT INTO assignments (id, version, status, method, entitlement_id, account_id, account_partner_id, channel_id, partner_id, product_id, activation_code_id, external, missing_input, failures, end_requested, assigned_at, activated_at)
  SELECT pg_temp.v7(k.t + interval '1 day'), 1, 'ACTIVE', 'CODE', k.id, k.holder, h.id, c.id, h.id, p.id, k.code_id, false, '[]', 0, false, k.t, k.t
  FROM h, k JOIN c ON c.n = k.cn JOIN p ON p.n = k.pn WHERE k.holder IS NOT NULL;
INSERT INTO tallies SELECT channel_id, product_id, status, count(*) FROM entitlements GROUP BY 1, 2, 3
  UNION ALL SELECT channel_id, product_id, 'ORDERED', count(*) FROM entitlements GROUP BY 1, 2;
VACUUM ANALYZE;
