-- Prints CSV: what, how many, hash. The settings make text forms of values the same everywhere.
\pset format csv
\pset tuples_only on
set search_path = '';
set timezone = 'UTC';
set datestyle = 'ISO, YMD';
set extra_float_digits = 3;
set bytea_output = 'hex';

create temporary view user_relations as
select c.oid, c.relkind, c.relispopulated, c.relname, n.nspname, format('%I.%I', n.nspname, c.relname) as name
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema';

-- Tables, materialized views: every row, whatever its order.
select format(
    'select %L, count(*), coalesce(sum(pg_catalog.hashtextextended(whole_row::text, 0)), 0) from %s whole_row',
    'table ' || name, name)
from pg_temp.user_relations where relkind in ('r', 'm') and relispopulated order by name
\gexec

select format('select %L, last_value, is_called from %s', 'sequence ' || name, name)
from pg_temp.user_relations where relkind = 'S' order by name
\gexec

select 'schema ' || quote_ident(nspname), 1, coalesce(obj_description(oid, 'pg_namespace'), '')
from pg_catalog.pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema';

select 'columns of ' || r.name, count(*), md5(string_agg(concat_ws(' ',
    a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated,
    pg_get_expr(d.adbin, d.adrelid), col_description(r.oid, a.attnum)), E'\n' order by a.attname))
from pg_temp.user_relations r
join pg_catalog.pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
left join pg_catalog.pg_attrdef d on d.adrelid = r.oid and d.adnum = a.attnum
where r.relkind in ('r', 'p', 'v', 'm', 'c')
group by r.name;

select format('constraint %I of %s', c.conname, coalesce(r.name, c.contypid::regtype::text)), 1,
    md5(pg_get_constraintdef(c.oid))
from pg_catalog.pg_constraint c
join pg_catalog.pg_namespace n on n.oid = c.connamespace
left join pg_temp.user_relations r on r.oid = c.conrelid
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    and c.contype <> 'n'; -- since PostgreSQL 18 a column that is not null has one; see columns

select 'index ' || r.name, 1, md5(pg_get_indexdef(r.oid)) from pg_temp.user_relations r where relkind in ('i', 'I');

select 'view ' || r.name, 1, md5(concat_ws(' ', c.relispopulated, pg_get_viewdef(r.oid))) from pg_temp.user_relations r join pg_catalog.pg_class c on c.oid = r.oid where r.relkind in ('v', 'm');

select 'comment on ' || r.name, 1, md5(obj_description(r.oid, 'pg_class'))
from pg_temp.user_relations r where obj_description(r.oid, 'pg_class') is not null;

select 'sequence settings of ' || format('%I.%I', schemaname, sequencename), 1,
    md5(concat_ws(' ', data_type, start_value, min_value, max_value, increment_by, cycle, cache_size))
from pg_catalog.pg_sequences;

select 'trigger ' || quote_ident(t.tgname) || ' of ' || r.name, 1, md5(pg_get_triggerdef(t.oid))
from pg_catalog.pg_trigger t join pg_temp.user_relations r on r.oid = t.tgrelid where not t.tgisinternal;

select 'function ' || p.oid::regprocedure, 1, md5(pg_get_functiondef(p.oid))
from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and p.prokind in ('f', 'p')
    and not exists (select from pg_catalog.pg_depend d where d.objid = p.oid and d.deptype = 'e');

select 'enum ' || t.oid::regtype, count(*), md5(string_agg(e.enumlabel, E'\n' order by e.enumsortorder))
from pg_catalog.pg_type t join pg_catalog.pg_enum e on e.enumtypid = t.oid group by t.oid;

select 'extension ' || quote_ident(extname), 1, extversion from pg_catalog.pg_extension;

select 'large object ' || oid, octet_length(lo_get(oid)), md5(lo_get(oid))
from pg_catalog.pg_largeobject_metadata;

select 'nature of ' || r.name, 1, md5(concat_ws(' ', c.relkind, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity,
    c.reloptions, pg_get_expr(c.relpartbound, c.oid), pg_get_partkeydef(c.oid),
    (select string_agg(inhparent::regclass::text, ' ' order by inhseqno) from pg_catalog.pg_inherits where inhrelid = c.oid)))
from pg_temp.user_relations r join pg_catalog.pg_class c on c.oid = r.oid where r.relkind in ('r', 'p', 'v', 'm');

select format('row security %I of %I.%I', policyname, schemaname, tablename), 1,
    md5(concat_ws(' ', permissive, cmd, qual, with_check, roles))
from pg_catalog.pg_policies;

select format('rule %I of %s', ru.rulename, r.name), 1, md5(pg_get_ruledef(ru.oid))
from pg_catalog.pg_rewrite ru join pg_temp.user_relations r on r.oid = ru.ev_class where ru.rulename <> '_RETURN';

select format('domain %s', t.oid::regtype), 1,
    md5(concat_ws(' ', format_type(t.typbasetype, t.typtypmod), t.typnotnull, t.typdefault))
from pg_catalog.pg_type t join pg_catalog.pg_namespace n on n.oid = t.typnamespace
where t.typtype = 'd' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    and not exists (select from pg_catalog.pg_depend d where d.objid = t.oid and d.deptype = 'e');

select format('range %s', rngtypid::regtype), 1, md5(concat_ws(' ', rngsubtype::regtype, rngsubdiff))
from pg_catalog.pg_range ra join pg_catalog.pg_type t on t.oid = ra.rngtypid
join pg_catalog.pg_namespace n on n.oid = t.typnamespace where n.nspname !~ '^pg_';

select 'aggregate ' || p.oid::regprocedure, 1, md5(concat_ws(' ', a.aggtransfn, a.agginitval, a.aggtranstype::regtype))
from pg_catalog.pg_aggregate a join pg_catalog.pg_proc p on p.oid = a.aggfnoid
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
where n.nspname !~ '^pg_' and not exists (select from pg_catalog.pg_depend d where d.objid = p.oid and d.deptype = 'e');

select format('statistics %I', stxname), 1, md5(pg_get_statisticsobjdef(oid)) from pg_catalog.pg_statistic_ext;

select format('publication %I of %I.%I', pubname, schemaname, tablename), 1, '' from pg_catalog.pg_publication_tables;

select format('cast %s to %s', castsource::regtype, casttarget::regtype), 1, md5(concat_ws(' ', castcontext, castmethod))
from pg_catalog.pg_cast c where oid >= 16384
    and not exists (select from pg_catalog.pg_depend d where d.objid = c.oid and d.deptype = 'e');

select format('collation %I', collname), 1, collcollate from pg_catalog.pg_collation where oid >= 16384;

select format('text search configuration %I', cfgname), 1, '' from pg_catalog.pg_ts_config where oid >= 16384;

select 'comment on large object ' || objoid, 1, md5(description)
from pg_catalog.pg_description where classoid = 'pg_catalog.pg_largeobject'::regclass;
