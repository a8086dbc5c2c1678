#!/bin/sh
# Waits until a shop answers, gives it something to sell, and fails unless an order for that is confirmed: smoke.sh URL OPERATOR-TOKEN CUSTOMER-TOKEN. It may be repeated.
set -eu
url=$1 operator=$2 customer=$3

ask() { # METHOD PATH TOKEN BODY
	curl --silent --show-error --fail-with-body --max-time 90 --retry 20 --retry-delay 2 --retry-connrefused --request "$1" "$url$2" --header "Authorization: Bearer $3" \
		--header 'Content-Type: application/json' --header "Idempotency-Key: smoke-$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')" --header 'Prefer: wait=20' --data "$4"
}

curl --silent --show-error --fail --output /dev/null --retry 60 --retry-delay 1 --retry-all-errors "$url/readyz"
ask PUT /v1/products/smoke-mug "$operator" '{"name":"Mug","price":{"amount":1250,"currency":"EUR"}}' >/dev/null
ask POST /v1/inventory/smoke-mug/movements "$operator" '{"quantity":2,"reason":"received"}' >/dev/null
order=$(ask POST /v1/orders "$customer" '{"items":[{"sku":"smoke-mug","quantity":2}],"payment_method":"pm_test_ok",
	"shipping_address":{"name":"Ada Lovelace","line1":"12 St James Square","city":"London","postal_code":"SW1Y 4JH","country":"GB"}}')
case $order in
*'"status":"confirmed"'*) echo 'the order is confirmed' ;;
*)
	echo "the order is not confirmed: $order" >&2
	exit 1
	;;
esac
