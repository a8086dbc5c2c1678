#!/usr/bin/env bash
# mutants.sh -- plants one bug after the other into a copy of the tree and shows that the tests catch it.
# Exit 1 when a bug is not caught, 2 when one could not be planted (the code it changes has moved).
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$work" 2>/dev/null || true

missed=0
# plant NAME FILE PERL-EXPRESSION PACKAGES [TEST-PATTERN]
plant() {
  local name=$1 file=$2 change=$3 packages=$4 run=${5:-.}
  cp "$work/$file" "$work/.before" 2>/dev/null || : > "$work/.before"
  perl -0pi -e "$change" "$work/$file"
  if cmp -s "$work/$file" "$work/.before"; then
    echo "mutants: cannot plant '$name': $file has changed" >&2
    exit 2
  fi
  # shellcheck disable=SC2086
  if ! (cd "$work" && go vet $packages) > "$work/.log" 2>&1; then
    echo "mutants: '$name' does not compile" >&2
    cat "$work/.log" >&2
    exit 2
  fi
  # shellcheck disable=SC2086
  if (cd "$work" && go test -count=1 -timeout 5m -run "$run" $packages) > "$work/.log" 2>&1; then
    echo "MISSED  $name"
    missed=1
  else
    echo "caught  $name  by $(grep -m1 -oE -- '--- FAIL: [^ ]+' "$work/.log" | cut -c11- || echo 'a crash or time-out')"
  fi
  cp "$work/.before" "$work/$file"
}

plant "no inbox check: a message that comes twice is applied twice" \
  internal/platform/bus/inbox.go 's/ WHERE \(inbox\.applied & excluded\.applied\) = 0//; s/\s+AND \(inbox\.applied & r\.applied\) = 0//; s/(applied\[d\.parcel\]&d\.bit) != 0/$1 < 0/; s/id\}, duplicate\)/id}, claimed)/' ./internal/platform/bus

plant "no version check: two changes of one order both count" \
  internal/orders/store.go 's/(SELECT r\.stream_id, r\.version, r\.type, r\.data, r\.metadata, r\.recorded_at FROM \{rows\})/$1 WHERE true ON CONFLICT DO NOTHING/' ./internal/orders

plant "delete before acknowledge: what is under way is lost with the process" \
  internal/platform/bus/flight.go 's/async\.Send\(p\.Topic, msg, func\(err error\) \{ t\.settled\(s, l\.ID, err\) \}\)/async.Send(p.Topic, msg, func(error) {}); t.settled(s, l.ID, nil)/' ./internal/platform/bus

plant "a compensation left out: a cancelled order keeps the money" \
  internal/orders/order.go 's/st := o\.Steps\[s\]\.State; s != confirmOrder &&/st := o.Steps[s].State; s != confirmOrder \&\& s != takePayment \&\&/' ./internal/orders

plant "no owner check: a customer sees another's order" \
  internal/orders/owner.go 's/if !who\.ActsFor\(customerID\)/if !who.Known()/' ./internal/orders 'Customer'

plant "an autocommitted write" \
  internal/platform/sqldb/db.go 's/\z/\n\/\/ Exec writes without a transaction.\nfunc (db *DB) Exec(ctx context.Context, query string) error {\n\t_, err := db.write.ExecContext(ctx, query)\n\treturn err\n}\n/' ./internal


exit $missed
