// Package metrics says what the program measures: the names, units, labels and help of all its metrics stand in table.go, table_shop.go and nowhere else.
//
// A metric has the name that OpenTelemetry's semantic conventions give it, https://opentelemetry.io/docs/specs/semconv/, or, where they know none, one that begins with
// "shop.". The name in Prometheus follows from it (see Definition.Prometheus): shop.orders.placed is shop_orders_placed_total.
//
// Every label is bounded: its values are listed in the table, or are as many as there are of something that an operator decides on (see Domain). What a client sends
// never becomes a label. Labels are bound to instruments when the program starts, so that counting takes no memory.
package metrics
