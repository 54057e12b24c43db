-- What both MySQL and MariaDB have, with what a careless dump would lose. Made by root in the database at hand;
-- views, routines, triggers and events belong to the user `app`.

create table customers (
  id int unsigned not null auto_increment primary key,
  name varchar(80) not null,
  email varchar(190) collate utf8mb4_bin unique,
  joined timestamp(6) not null default current_timestamp(6) on update current_timestamp(6),
  referred_by int unsigned null,
  favourite_order bigint null,
  constraint referrer foreign key (referred_by) references customers (id)
) auto_increment = 1000 comment 'people, 桜 and 🦊; it''s "quoted" \\ back';

create table orders (
  id bigint not null primary key,
  customer int unsigned not null,
  state enum('new', 'it''s paid', 'fertig 桜') not null default 'new',
  tags set('a', 'b', 'c'),
  net decimal(20, 4) not null check (net >= 0),
  tax decimal(20, 4) generated always as (net * 0.19) stored,
  gross decimal(20, 4) generated always as (net + net * 0.19) virtual,
  key by_gross (gross),
  constraint buyer foreign key (customer) references customers (id) on delete cascade
);
-- a cycle of foreign keys
alter table customers add constraint favourite foreign key (favourite_order) references orders (id) on delete set null;

create table every_type (
  id int primary key,
  tiny tinyint, small smallint unsigned, medium mediumint, whole int zerofill, big bigint unsigned,
  yes boolean, bits bit(17), money decimal(65, 30), double_precision double,
  day date, moment datetime(6), instant timestamp(6) null, duration time(6), vintage year,
  letters char(10), words varchar(255), latin varchar(50) character set latin1, little tinytext, lines_ text, more mediumtext,
  most longtext, fixed binary(16), bytes varbinary(300), small_blob tinyblob, blob_ blob, big_blob longblob,
  document json, place point, area geometry, `strange ``name`` % $HOME` int, `order` int
);

create table logs (id int auto_increment primary key, line text) engine = myisam;
create table `it's "a" ``table`` $x 桜` (`a b` int primary key, `"c"` varchar(20));
create table zeros (id int primary key auto_increment, at datetime);
create table measurements (id int not null, at date not null, value double, primary key (id, at))
  partition by range (year(at)) (partition old values less than (2025), partition rest values less than maxvalue);
create fulltext index by_words on every_type (words);
create table nothing_in_it (id int primary key);

insert into customers (id, name, email, joined) values
  (1, 'Ada', 'ada@example.com', '2024-02-29 12:00:00.123456'), (2, 'Grüße 桜 🦊', 'GRÜSSE@example.com', '2038-01-19 03:14:07'),
  (3, 'back\\slash\nnewline\ttab\0nul\rcr''quote"', null, '1970-01-02 00:00:01');
insert into orders (id, customer, state, tags, net) values
  (9223372036854775807, 1, 'fertig 桜', 'a,c', 12345678.9012), (-5, 2, 'it''s paid', '', 0), (7, 3, 'new', null, 0.0001);
update customers set favourite_order = 7, referred_by = 2, joined = joined where id = 1;

insert into every_type values
  (1, -128, 65535, -8388608, 42, 18446744073709551615, true, b'10101010101010101',
   12345678901234567890123456789012345.012345678901234567890123456789, 2.2250738585072014e-308,
   '9999-12-31', '1000-01-01 00:00:00.000001', '2038-01-19 03:14:07.999999', '-838:59:59.000000', 2155,
   'trailing', 'ünïcödé 桜 🦊 \\ '' " \n \r \t \0 \Z %_', 'Größe', 'x', 'text', repeat('m', 100000), repeat('🦊', 1000),
   unhex('00112233445566778899AABBCCDDEEFF'), unhex('00'), unhex(''), unhex('5C27220A0D1A00FF'), null,
   '{"a": [1, 2.5, null, true, "🦊"], "ü": {"\\\\": "\\""}}', st_geomfromtext('POINT(1.25 -7.5)'),
   st_geomfromtext('POLYGON((0 0, 4 0, 4 4, 0 4, 0 0))'), 1, 2),
  (2, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
   null, null, null, null, null, null, null, null, null, null, null, null),
  (3, 127, 0, 8388607, 0, 0, false, b'0', -0.000000000000000000000000000001, 1.7976931348623157e308,
   '0001-01-01', '9999-12-31 23:59:59.999999', null, '838:59:59', 1901, '', '', '', '', '', '', '', '', '', '', '', '',
   '[]', st_geomfromtext('POINT(0 0)'), st_geomfromtext('LINESTRING(0 0, 1 1)'), 0, 0),
  (4, 1, 1, 1, 1, 1, true, b'11111111111111111', 0.1, 0.1, '2024-02-29', '2024-02-29 23:59:59', '2024-03-31 01:30:00',
   '00:00:00.000001', 2024, 'NULL', '\\N', 'null', '-- Dump completed on 2026-11-22  8:45:00', ';;\nDELIMITER ;;\n', '$$', '/*! 1 */',
   'NULL', 'NULL', '\\N', '-- x', '\n-- Dump completed\n', 'null', null, null, null, null);
-- every byte value, in each kind of binary column
set @bytes = unhex('');
set @bytes = unhex(concat(
  '000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F303132333435363738393A3B3C3D3E3F',
  '404142434445464748494A4B4C4D4E4F505152535455565758595A5B5C5D5E5F606162636465666768696A6B6C6D6E6F707172737475767778797A7B7C7D7E7F',
  '808182838485868788898A8B8C8D8E8F909192939495969798999A9B9C9D9E9FA0A1A2A3A4A5A6A7A8A9AAABACADAEAFB0B1B2B3B4B5B6B7B8B9BABBBCBDBEBF',
  'C0C1C2C3C4C5C6C7C8C9CACBCCCDCECFD0D1D2D3D4D5D6D7D8D9DADBDCDDDEDFE0E1E2E3E4E5E6E7E8E9EAEBECEDEEEFF0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF'));
insert into every_type (id, bytes, blob_, big_blob) values (5, @bytes, @bytes, repeat(@bytes, 20000));
insert into logs (line) values ('one'), ('two 🦊'), (null);
insert into `it's "a" ``table`` $x 桜` values (1, 'x'), (2, '🦊');
set session sql_mode = '';
insert into zeros values (1, '0000-00-00 00:00:00'), (2, '2024-00-00 00:00:00');
set session sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
insert into zeros values (0, '2024-01-01');
set session sql_mode = default;
insert into measurements values (1, '2020-05-05', 0.1), (1, '2026-05-05', 1e300), (2, '2030-01-01', null);

create definer = 'app'@'%' view paid as select o.id, c.name, o.gross from orders o join customers c on c.id = o.customer where o.state <> 'new';
create definer = 'app'@'%' sql security invoker view `view of 桜` as select * from paid;
create definer = 'app'@'%' view a_view_that_is_needed_later as select * from `view of 桜`;

delimiter ;;
create definer = 'app'@'%' function with_tax(net decimal(20, 4)) returns decimal(20, 4) deterministic no sql
  comment 'it''s a 🦊 function'
begin
  -- a comment; with ;; and a 'quote'
  declare s varchar(10) default ';;';
  return net * 1.19;
end;;
create definer = 'app'@'%' procedure `a procedure 桜`(in who int, out n int) reads sql data
begin
  select count(*) into n from orders where customer = who; /* DELIMITER ; */
end;;
create definer = 'app'@'%' trigger no_shouting before insert on customers for each row
begin
  if new.name = upper(new.name) then set new.name = concat(new.name, ' (🦊;)'); end if;
end;;
create definer = 'app'@'%' trigger second_one before insert on customers for each row follows no_shouting set new.name = trim(new.name);;
create definer = 'app'@'%' event clean_up on schedule every 1 day starts '2030-01-01 03:00:00' on completion preserve disable
  comment 'nightly 🌙' do begin delete from logs where id < 0; end;;
delimiter ;
