-- What only MySQL has.
create table only_mysql (
  id int primary key,
  name varchar(40) default (concat('generated ', 1 + 1)),
  hidden int invisible default 7,
  document json,
  spot point not null srid 4326,
  embedding vector(3),
  key functional ((lower(name))),
  key descending (name desc),
  key many ((cast(document -> '$.tags' as char(20) array))),
  spatial key by_spot (spot)
);
insert into only_mysql (id, hidden, document, spot, embedding) values
  (1, 8, '{"tags": ["a", "b"]}', st_geomfromtext('POINT(52.5 13.4)', 4326), to_vector('[1, 0.1, -2.5e-7]'));
create table roles_of (id int primary key) comment 'has no rows';
