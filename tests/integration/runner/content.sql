-- What a dump must carry besides plain tables: one of each, made by the database's owner, who is no superuser.
create schema "odd Schema ""quoted"" ünï";
comment on schema public is 'not the standard comment';

-- extensions that the owner of a database may create (trusted ones)
create extension btree_gin;
create extension btree_gist;
create extension citext;
create extension cube;
create extension dict_int;
create extension fuzzystrmatch;
create extension hstore;
create extension intarray;
create extension isn;
create extension lo;
create extension ltree;
create extension pg_trgm;
create extension pgcrypto;
create extension seg;
create extension tablefunc;
create extension tcn;
create extension tsm_system_rows;
create extension tsm_system_time;
create extension unaccent;
create extension "uuid-ossp" schema "odd Schema ""quoted"" ünï";

-- types
create type mood as enum ('sad', 'it''s "ok"', 'glücklich', '');
alter type mood add value 'in between' before 'glücklich';
create domain percentage as numeric(5, 2) not null default 0 check (value between 0 and 100);
create domain email as citext check (value ~ '^[^@]+@[^@]+$');
create type address as (street text, zip char(5), country text);
create type float_range as range (subtype = float8, subtype_diff = float8mi);
create collation if not exists german (provider = libc, locale = 'C.utf8');

-- values that text formats mangle
create table awkward (
    id int primary key, note text, raw bytea, number numeric, float float8, moment timestamptz, day date, span interval,
    doc jsonb, words text[], box address, span_of float_range, what mood, share percentage, contact email,
    pairs hstore, tree ltree, code uuid default gen_random_uuid(), bits bit varying(70), net inet, mac macaddr,
    spot point, search tsvector, xid xid8, money money
);
insert into awkward values
    (1, E'\\.', '\x00ff5c2e0a', 'NaN', 'Infinity', 'infinity', '-infinity', '1 year -2 days 00:00:00.000001', '{"a": [null, "\\u00e9", 1e400]}',
     '{"a,b","{","\"",NULL,"",null}', row('a "b", (c)', '01234', null), '[1.5,)', 'it''s "ok"', 99.99, 'A@b', 'a=>NULL, "b c"=>"d\"e"',
     'Top.Science', default, '101', '::1/128', '08:00:2b:01:02:03', '(1e-300,2)', 'fat:1A & rat', '42', 12.34),
    (2, E'tab\tnewline\nreturn\rbell\x07backslash\\ quote'' "$$" $HOME `id` %s 桜🦊 \u200b', '', 1e-1000, '-0', '4713-01-01 BC', '5874897-12-31',
     '-178000000 years', '[]', '{}', null, 'empty', '', 0, null, '', '', default, '', '10.0.0.0/8', null, null, '', null, -0.01),
    (3, '', null, 123456789012345678901234567890.123456789, 1e-308, null, null, null, 'null', null, null, null, null, 1, null, null,
     null, default, null, null, null, null, null, null, null);
create table "Odd ""Table"" $1; drop table x; --" ("select" int, "a b" text, "ü" text, "%I" text);
insert into "Odd ""Table"" $1; drop table x; --" values (1, 'x', 'y', 'z');
create table no_columns ();
insert into no_columns default values;
insert into no_columns default values;
create table shrunk (a int, gone text, b int);
insert into shrunk values (1, 'x', 2);
alter table shrunk drop column gone;
alter table shrunk add column late text default 'filled in' not null;
create unlogged table fleeting as select generate_series(1, 10) as n;

-- generated and identity columns
create table invoices (
    id bigint generated always as identity (start 1000 increment 10) primary key,
    net numeric(10, 2) not null, vat percentage, gross numeric(12, 2) generated always as (net * (1 + vat / 100)) stored,
    number text default 'R-' || to_char(clock_timestamp(), 'YYYY')
);
insert into invoices (net, vat) select n * 1.11, 19 from generate_series(1, 50) n;

-- partitions: by range, list and hash, nested, with a default; inheritance of the old kind
create table events (at timestamptz not null, region text not null, id bigint not null, body text, primary key (at, region, id))
    partition by range (at);
create table events_2025 partition of events for values from ('2025-01-01') to ('2026-01-01') partition by list (region);
create table events_2025_eu partition of events_2025 for values in ('eu', 'uk');
create table events_2025_rest partition of events_2025 default;
create table events_2026 partition of events for values from ('2026-01-01') to (maxvalue) partition by hash (region);
create table events_2026_0 partition of events_2026 for values with (modulus 2, remainder 0);
create table events_2026_1 partition of events_2026 for values with (modulus 2, remainder 1);
create index events_by_body on events (md5(body));
insert into events select timestamptz '2025-06-01 00:00+00' + n * interval '1 day', (array['eu', 'uk', 'us', 'jp'])[1 + n % 4], n, 'event ' || n
from generate_series(1, 400) n;
create table animals (name text);
create table dogs (breed text) inherits (animals);
insert into animals values ('cat');
insert into dogs values ('rex', 'collie');

-- constraints, indexes, statistics
create table bookings (
    room int, during tstzrange, guest int references awkward on delete set null deferrable initially deferred,
    exclude using gist (room with =, during with &&), check (lower(during) > '2000-01-01') not valid
);
insert into bookings values (1, '[2026-01-01 00:00+00, 2026-01-02 00:00+00)', 1), (1, '[2026-01-02 00:00+00, 2026-01-03 00:00+00)', null);
create index on awkward using gin (doc jsonb_path_ops, words);
create unique index on awkward (lower(note) desc nulls last) include (number) where id < 100;
create statistics invoice_statistics (dependencies, ndistinct) on net, vat from invoices;

-- functions, aggregates, rules, triggers, views
create function "weird $body$"(a text, variadic b int[] default '{}') returns table (x text, y int) language plpgsql stable as
$outer$begin return query select $q$it's "$$" \n$q$ || a, unnest(b); end$outer$;
create procedure touch(inout n int) language sql as 'select n + 1';
create aggregate longest(text) (sfunc = textcat, stype = text, initcond = '');
create function stamp() returns trigger language plpgsql as $$begin new.note := new.note || '!'; return new; end$$;
create trigger stamp before update on awkward for each row when (old.note is distinct from new.note) execute function stamp();
alter table awkward disable trigger stamp;
create view glance with (security_barrier) as select id, note, what from awkward where id < 3 with local check option;
create rule no_delete as on delete to shrunk do instead nothing;
create materialized view totals as select vat, sum(gross) as gross, count(*) as n from invoices group by vat;
create unique index on totals (vat);
create materialized view not_filled as select * from totals with no data;
create publication changes for table invoices, awkward;
create text search configuration plain (copy = simple);
create cast (mood as int) with inout as assignment;

-- large objects
select lo_from_bytea(0, decode(repeat('00ff5c', 100000), 'hex')) as oid \gset
comment on large object :oid is 'with a comment; "quoted"';
create table pictures (id int, picture lo);
insert into pictures select n, lo_from_bytea(0, convert_to('picture ' || n, 'UTF8')) from generate_series(1, 20) n;

-- as many columns as there can be
select format('create table wide (%s)', string_agg(format('c%s int', n), ', ' order by n)) from generate_series(1, 1600) n
\gexec
insert into wide (c1, c2, c1599, c1600) select n, -n, 7, n * 1000 from generate_series(1, 25) n;
