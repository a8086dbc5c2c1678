#!/bin/sh
# Makes .env for compose.yaml from env.example, with fresh random passwords. Prints nothing of them, and never overwrites: the database keeps those of its first start.
set -eu
cd "$(dirname "$0")"
umask 077
if [ -e .env ]; then
	echo 'there is a .env already; its passwords are those of the database' >&2
	exit 1
fi
while IFS= read -r line; do
	case $line in
	*=generate) echo "${line%generate}p$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')" ;;
	*) echo "$line" ;;
	esac
done <env.example >.env.new
mv .env.new .env
