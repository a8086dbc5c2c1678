package metrics

// Labels that several metrics have.
var (
	perStep     = Label{Name: "step", Values: []string{"reserve_stock", "take_payment", "create_shipment"}} // to confirm an order takes no time
	perCurrency = Label{Name: "currency", Of: Currencies}
)

// Steps at which an order can stand while its process runs; WayBack is that of all whose steps are being taken back.
const WayBack = "compensation"

// Reasons why an order is stuck.
const (
	StuckDeadline     = "deadline"            // a deadline passed a minute ago, and nobody did anything about it
	StuckCompensation = "compensation_failed" // an operator must decide
)

// The process of orders.
var (
	SagaRunning = define(Definition{Name: "shop.saga.running", Kind: Gauge, Unit: "{order}", Shared: true,
		Help:   "Orders whose process waits for an answer, by the step that was asked for; compensation: whose steps are taken back.",
		Labels: []Label{{Name: "step", Values: []string{"reserve_stock", "take_payment", "create_shipment", WayBack}}}})
	SagaOldest = define(Definition{Name: "shop.saga.oldest_age", Kind: Gauge, Unit: "s", Shared: true,
		Help:   "Time since the oldest of the orders whose process waits at a step was placed; 0 when there is none.",
		Labels: []Label{{Name: "step", Values: []string{"reserve_stock", "take_payment", "create_shipment", WayBack}}}})
	SagaStuck = define(Definition{Name: "shop.saga.stuck", Kind: Gauge, Unit: "{order}", Shared: true,
		Help:   "Orders whose process does not go on by itself: a deadline passed over a minute ago and nobody did anything about it, or a compensation failed and an operator must decide.",
		Labels: []Label{{Name: "reason", Values: []string{StuckDeadline, StuckCompensation}}}})
	SagaRetries = define(Definition{Name: "shop.saga.retries", Kind: Counter, Unit: "{command}",
		Help:   "Steps, and compensations of steps, that were asked for again: their deadline had passed, or an operator wanted it.",
		Labels: []Label{perStep, {Name: "by", Values: []string{"deadline", "operator"}}}})
	SagaCompensated = define(Definition{Name: "shop.saga.compensated", Kind: Counter, Unit: "{step}",
		Help: "Steps that were taken back.", Labels: []Label{perStep}})
	SagaStepDuration = define(Definition{Name: "shop.saga.step.duration", Kind: Histogram, Unit: "s", Buckets: lasting,
		Help: "Time from when a step was asked for until it was answered, by yes or no.", Labels: []Label{perStep}})
)

// The business. Counted once, when it is durable, in the process that wrote it.
var (
	OrdersPlaced = define(Definition{Name: "shop.orders.placed", Kind: Counter, Unit: "{order}",
		Help: "Orders that were placed."})
	OrdersConfirmed = define(Definition{Name: "shop.orders.confirmed", Kind: Counter, Unit: "{order}",
		Help: "Orders that were confirmed: stock is reserved, and the payment is taken."})
	OrdersCancelled = define(Definition{Name: "shop.orders.cancelled", Kind: Counter, Unit: "{order}",
		Help:   "Orders that were cancelled.",
		Labels: []Label{{Name: "reason", Values: []string{"out_of_stock", "payment_declined", "customer_request", "timed_out", "failed"}}}})
	OrdersRevenue = define(Definition{Name: "shop.orders.revenue", Kind: Counter, Unit: "{minor_unit}",
		Help: "What was captured for orders when they were confirmed, in minor units: cents.", Labels: []Label{perCurrency}})
	OrdersRefunded = define(Definition{Name: "shop.orders.refunded", Kind: Counter, Unit: "{minor_unit}",
		Help: "What went back to customers, by refunds and by cancellations, in minor units.", Labels: []Label{perCurrency}})
	StockOuts = define(Definition{Name: "shop.inventory.stock_outs", Kind: Counter, Unit: "{reservation}",
		Help: "Reservations that were refused because stock was short."})
	PaymentsUnknown = define(Definition{Name: "shop.payments.unknown", Kind: Gauge, Unit: "{payment}", Shared: true,
		Help: "Payments of which the provider did not say what became of them; the shop goes on asking."})
	Mails = define(Definition{Name: "shop.mails", Kind: Gauge, Unit: "{mail}", Shared: true,
		Help:   "Mails to customers that wait for their turn (pending), are being sent, were given up (failed), or of which nobody knows whether they were sent (unknown).",
		Labels: []Label{{Name: "state", Values: []string{"pending", "sending", "failed", "unknown"}}}})

	LogDropped = define(Definition{Name: "shop.log.dropped", Kind: Counter, Unit: "{line}",
		Help:   "Lines of the log that were left out, since too many of the same message came within a second.",
		Labels: []Label{{Name: "level", Values: []string{"debug", "info", "warn", "error"}}}})
	Build = define(Definition{Name: "shop.build.info", Kind: Gauge, Unit: "{program}",
		Help: "The program; always 1.", Labels: []Label{{Name: "version", Of: Programs}, {Name: "go", Of: Programs}}})
)
