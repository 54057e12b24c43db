-- What only MariaDB has.
create sequence numbers start with 100 increment by 10 cache 5;
select nextval(numbers), nextval(numbers);
create table only_mariadb (
  id uuid primary key default uuid(),
  number bigint,
  address inet6,
  old_address inet4,
  hidden int invisible default 7,
  embedding vector(3)
);
insert into only_mariadb (id, number, address, old_address, hidden, embedding) values
  ('123e4567-e89b-12d3-a456-426655440000', 5, '2001:db8::ff00:42:8329', '192.0.2.1', 8, vec_fromtext('[1, 0.1, -2.5e-7]'));
create table versioned (id int primary key, price int) with system versioning;
insert into versioned values (1, 10), (2, 20);
update versioned set price = 11 where id = 1;
delete from versioned where id = 2;
set sql_mode = oracle;
delimiter ;;
create definer = 'app'@'%' package prices as function doubled(p int) return int; end;;
create definer = 'app'@'%' package body prices as function doubled(p int) return int as begin return p * 2; end; end;;
delimiter ;
set sql_mode = default;
