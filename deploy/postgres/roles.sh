#!/bin/sh
# Run once, by a new database: makes the roles that log in. shop_admin migrates. shop is the monolith, and acts for every context. Each other has the name of a
# context, and can be nobody but that: shop_CONTEXT owns the schema CONTEXT and cannot log in.
set -eu

contexts='catalog customers inventory payments shipping orders notifications'

# The text of a statement reads the passwords from the environment, so that none stands on a command line.
{
	cat <<-'SQL'
		\set ON_ERROR_STOP on
		\getenv admin DB_PASSWORD_ADMIN
		\getenv shop DB_PASSWORD_SHOP
		CREATE ROLE shop_admin LOGIN CREATEROLE PASSWORD :'admin';
		CREATE ROLE shop LOGIN PASSWORD :'shop';
		REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
		ALTER DATABASE :"DBNAME" OWNER TO shop_admin;
		GRANT CONNECT ON DATABASE :"DBNAME" TO shop;
		CREATE ROLE shop_testpsp NOLOGIN;
		GRANT shop_testpsp TO shop_admin, shop;
	SQL
	for context in $contexts; do
		cat <<-SQL
			\\getenv password DB_PASSWORD_$(echo "$context" | tr '[:lower:]' '[:upper:]')
			CREATE ROLE $context LOGIN PASSWORD :'password';
			GRANT CONNECT ON DATABASE :"DBNAME" TO $context;
			CREATE ROLE shop_$context NOLOGIN;
			GRANT shop_$context TO shop_admin, shop, $context;
		SQL
	done
	echo 'GRANT shop_testpsp TO payments;' # the books of the test provider
} | psql --no-psqlrc --quiet --username "${POSTGRES_USER:-postgres}" --dbname "${POSTGRES_DB:-shop}"
