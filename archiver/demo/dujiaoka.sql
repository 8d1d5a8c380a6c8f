-- The tables of 独角数卡 (dujiaoka 2.x) that an archive reads, in SQLite's dialect.

CREATE TABLE orders (
  id                       INTEGER PRIMARY KEY AUTOINCREMENT,
  order_sn                 varchar(150) NOT NULL UNIQUE,
  goods_id                 int NOT NULL,
  coupon_id                int DEFAULT 0,
  title                    varchar(200) NOT NULL,
  type                     tinyint NOT NULL DEFAULT 1,  -- 1 automatic, 2 manual delivery
  goods_price              decimal(10,2) NOT NULL DEFAULT '0.00',
  buy_amount               int NOT NULL DEFAULT 1,
  coupon_discount_price    decimal(10,2) NOT NULL DEFAULT '0.00',
  wholesale_discount_price decimal(10,2) NOT NULL DEFAULT '0.00',
  total_price              decimal(10,2) NOT NULL DEFAULT '0.00',
  actual_price             decimal(10,2) NOT NULL DEFAULT '0.00',
  search_pwd               varchar(200) DEFAULT '',     -- the buyer's query password
  email                    varchar(200) NOT NULL,
  info                     text,                        -- what was delivered
  pay_id                   int,
  buy_ip                   varchar(50) NOT NULL,
  trade_no                 varchar(200) DEFAULT '',
  status                   tinyint NOT NULL DEFAULT 1,  -- 4 completed
  coupon_ret_back          tinyint NOT NULL DEFAULT 0,
  created_at               timestamp,
  updated_at               timestamp,
  deleted_at               timestamp
);

CREATE TABLE goods (
  id                  INTEGER PRIMARY KEY AUTOINCREMENT,
  group_id            int NOT NULL,
  gd_name             varchar(200) NOT NULL,
  gd_description      varchar(200) NOT NULL,
  gd_keywords         varchar(200) NOT NULL,
  picture             text,
  retail_price        decimal(10,2) DEFAULT '0.00',
  actual_price        decimal(10,2) NOT NULL DEFAULT '0.00',
  in_stock            int NOT NULL DEFAULT 0,
  sales_volume        int DEFAULT 0,
  ord                 int DEFAULT 1,
  buy_limit_num       int NOT NULL DEFAULT 0,
  buy_prompt          text,
  description         text,
  type                tinyint NOT NULL DEFAULT 1,
  wholesale_price_cnf text,
  other_ipu_cnf       text,
  api_hook            text,
  is_open             tinyint NOT NULL DEFAULT 1,
  created_at          timestamp,
  updated_at          timestamp,
  deleted_at          timestamp
);

CREATE TABLE goods_group (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  gp_name    varchar(200) NOT NULL,
  is_open    tinyint NOT NULL DEFAULT 1,
  ord        int NOT NULL DEFAULT 1,
  created_at timestamp,
  updated_at timestamp,
  deleted_at timestamp
);

CREATE TABLE pays (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  pay_name        varchar(200) NOT NULL,
  pay_check       varchar(50) NOT NULL UNIQUE,
  pay_method      tinyint NOT NULL,
  pay_client      tinyint NOT NULL DEFAULT 1,
  merchant_id     varchar(200),
  merchant_key    text,
  merchant_pem    text NOT NULL,
  pay_handleroute varchar(200) NOT NULL,
  is_open         tinyint NOT NULL DEFAULT 1,
  created_at      timestamp,
  updated_at      timestamp,
  deleted_at      timestamp
);

CREATE TABLE coupons (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  discount   decimal(10,2) NOT NULL DEFAULT '0.00',
  is_use     tinyint NOT NULL DEFAULT 1,
  is_open    tinyint NOT NULL DEFAULT 1,
  coupon     varchar(150) NOT NULL UNIQUE,
  ret        int NOT NULL DEFAULT 0,
  created_at timestamp,
  updated_at timestamp,
  deleted_at timestamp
);

CREATE TABLE carmis (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  goods_id   int NOT NULL,
  status     tinyint NOT NULL DEFAULT 1,
  is_loop    tinyint NOT NULL DEFAULT 0,
  carmi      text NOT NULL,                             -- unsold stock: never read
  created_at timestamp,
  updated_at timestamp,
  deleted_at timestamp
);
