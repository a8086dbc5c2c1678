#!/usr/bin/env bash
# Installs Debian's RabbitMQ for the tests if it is missing. The package would start a service, now and at each boot: it is kept from both.
set -euo pipefail

if [[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]]; then
	exit 0
fi
if [[ $EUID != 0 ]] || ! command -v apt-get >/dev/null; then
	echo "RabbitMQ is not installed; install Debian's package rabbitmq-server, or run this as root on Debian" >&2
	exit 1
fi

# invoke-rc.d starts no service while this program exits with 101.
policy=/usr/sbin/policy-rc.d
if [[ -e $policy ]]; then
	mv "$policy" "$policy.saved"
	trap 'mv -f "$policy.saved" "$policy"' EXIT
else
	trap 'rm -f "$policy"' EXIT
fi
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

export DEBIAN_FRONTEND=noninteractive
apt-get -q -o DPkg::Lock::Timeout=300 update
apt-get -q -o DPkg::Lock::Timeout=300 install -y --no-install-recommends rabbitmq-server
if command -v systemctl >/dev/null; then
	systemctl disable rabbitmq-server.service epmd.socket >/dev/null 2>&1 || true # where there is no such unit, there is nothing to disable
fi
