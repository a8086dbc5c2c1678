package metrics

// Labels that several metrics have.
var (
	perContext  = Label{Name: "context", Of: Contexts}
	perSystem   = Label{Name: "messaging.system", Values: []string{"memory", "nats", "kafka", "rabbitmq"}}
	perTopic    = Label{Name: "messaging.destination.name", Of: Topics}
	perGroup    = Label{Name: "messaging.consumer.group.name", Of: Contexts}
	perMethod   = Label{Name: "http.request.method", Values: []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "_OTHER"}}
	perScheme   = Label{Name: "url.scheme", Values: []string{"http"}} // TLS ends before the shop
	perUpstream = Label{Name: "upstream", Of: Contexts}
	perTraffic  = Label{Name: "traffic", Values: []string{"questions", "proxied"}}
	perPool     = Label{Name: "db.client.connection.pool.name", Values: []string{"write", "read"}}
)

// Buckets, in seconds.
var (
	conventional = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10} // what the conventions advise
	quick        = []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}
	lasting      = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21600}
)

// The edge.
var (
	HTTPDuration = define(Definition{Name: "http.server.request.duration", Kind: Histogram, Unit: "s", Buckets: conventional,
		Help: "Duration of HTTP server requests.",
		Labels: []Label{perMethod, {Name: "http.route", Of: Routes}, {Name: "http.response.status_code", Of: Statuses}, perScheme,
			{Name: "error.type", Follows: true}}})
	HTTPActive = define(Definition{Name: "http.server.active_requests", Kind: UpDown, Unit: "{request}",
		Help: "Number of active HTTP server requests.", Labels: []Label{perMethod, perScheme}})
	HTTPWorking = define(Definition{Name: "shop.http.working_requests", Kind: UpDown, Unit: "{request}",
		Help: "Requests that are worked on."})
	HTTPWaiting = define(Definition{Name: "shop.http.waiting_requests", Kind: UpDown, Unit: "{request}",
		Help: "Requests that only wait for something to happen."})
	HTTPQueued = define(Definition{Name: "shop.http.queued_requests", Kind: UpDown, Unit: "{request}",
		Help: "Requests that wait for their turn."})
	HTTPOverloaded = define(Definition{Name: "shop.http.overloaded", Kind: Counter, Unit: "{request}",
		Help:   "Requests refused because too many were worked on: all together, or those of their client.",
		Labels: []Label{{Name: "of", Values: []string{"all", "client"}}}})
	RateLimited = define(Definition{Name: "shop.rate_limited", Kind: Counter, Unit: "{request}",
		Help:   "Requests refused because a client asked too often, by the limit that it reached.",
		Labels: []Label{{Name: "policy", Values: []string{"customer", "staff", "address", "failures"}}}})
)

// Messages between contexts.
var (
	MessagesSent = define(Definition{Name: "messaging.client.sent.messages", Kind: Counter, Unit: "{message}",
		Help: "Messages that the relay handed to the transport; with error_type those that it did not take, which are sent again.",
		Labels: []Label{perContext, perSystem, {Name: "messaging.operation.name", Values: []string{"send"}}, perTopic,
			{Name: "error.type", Values: []string{"", "refused"}}}})
	MessagesProcessed = define(Definition{Name: "messaging.process.duration", Kind: Histogram, Unit: "s", Buckets: conventional,
		Help: "Duration of an attempt to apply a message, until its transaction is durable; with error_type those that failed.",
		Labels: []Label{perGroup, perSystem, {Name: "messaging.operation.name", Values: []string{"process"}}, perTopic,
			{Name: "error.type", Values: []string{"", "failed", "undecodable", "unavailable"}}}})
	MessagesInFlight = define(Definition{Name: "shop.messages.in_flight", Kind: UpDown, Unit: "{message}",
		Help: "Messages that were received and not acknowledged: applied at the moment, behind another of their key, or failed and to be tried again.", Labels: []Label{perContext}})
	MessageRetries = define(Definition{Name: "shop.messages.retries", Kind: Counter, Unit: "{message}",
		Help: "Attempts to apply a message that failed, and after which it is tried again.", Labels: []Label{perContext}})
	MessageLag = define(Definition{Name: "shop.message.lag", Kind: Histogram, Unit: "s", Buckets: lasting,
		Help: "Time from when a message was written, beside what it tells of, until it was applied.", Labels: []Label{perGroup}})

	OutboxPending = define(Definition{Name: "shop.outbox.pending", Kind: Gauge, Unit: "{message}", Shared: true,
		Help: "Messages that were not delivered yet.", Labels: []Label{perContext}})
	OutboxOldest = define(Definition{Name: "shop.outbox.oldest_age", Kind: Gauge, Unit: "s", Shared: true,
		Help: "Age of the oldest message that was not delivered yet; 0 when there is none.", Labels: []Label{perContext}})
	RelayLeading = define(Definition{Name: "shop.relay.leading", Kind: Gauge, Unit: "{leader}",
		Help: "Whether this process relays the context's messages: 1 or 0.", Labels: []Label{perContext}})
	DeadLetters = define(Definition{Name: "shop.dead_letters", Kind: Gauge, Unit: "{message}", Shared: true,
		Help:   "Messages that could not be applied (dead), wait behind such a one (parked), or are being applied again (replay).",
		Labels: []Label{perContext, {Name: "state", Values: []string{"dead", "parked", "replay"}}}})
)

// Databases. A database has the name of its context; that of the test provider's books is testpsp.
var (
	DBConnections = define(Definition{Name: "db.client.connection.count", Kind: UpDown, Unit: "{connection}",
		Help:   "Connections that are in the given state.",
		Labels: []Label{perContext, perPool, {Name: "db.client.connection.state", Values: []string{"idle", "used"}}}})
	DBConnectionsMax = define(Definition{Name: "db.client.connection.max", Kind: UpDown, Unit: "{connection}",
		Help: "The maximum number of open connections allowed.", Labels: []Label{perContext, perPool}})
	DBConnectionWait = define(Definition{Name: "db.client.connection.wait_time", Kind: Histogram, Unit: "s",
		Help: "The time it took to obtain an open connection from the pool, where there was none at rest; without buckets.", Labels: []Label{perContext, perPool}})
	DBTransactionDuration = define(Definition{Name: "shop.db.transaction.duration", Kind: Histogram, Unit: "s", Buckets: quick,
		Help: "Duration of attempts at a transaction, with its commit or rollback.", Labels: []Label{perContext}})
	DBTransactionJobs = define(Definition{Name: "shop.db.transaction.jobs", Kind: Histogram, Unit: "{job}", Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128},
		Help: "Writes that share a transaction that was committed.", Labels: []Label{perContext}})
	DBJobs = define(Definition{Name: "shop.db.jobs", Kind: Counter, Unit: "{job}",
		Help: "Writes that were asked for.", Labels: []Label{perContext}})
	DBJobsWaiting = define(Definition{Name: "shop.db.jobs.waiting", Kind: Gauge, Unit: "{job}",
		Help: "Writes that wait for a transaction, at this moment.", Labels: []Label{perContext}})
	DBCommits = define(Definition{Name: "shop.db.commits", Kind: Counter, Unit: "{transaction}",
		Help: "Transactions committed; jobs share them.", Labels: []Label{perContext}})
	DBAlone = define(Definition{Name: "shop.db.jobs_alone", Kind: Counter, Unit: "{job}",
		Help: "Writes that were run again alone, since one of their transaction failed.", Labels: []Label{perContext}})
	DBRetries = define(Definition{Name: "shop.db.retries", Kind: Counter, Unit: "{transaction}",
		Help: "Transactions that were run again after a conflict or a lost connection.", Labels: []Label{perContext}})
	DBUnknownCommits = define(Definition{Name: "shop.db.unknown_commits", Kind: Counter, Unit: "{transaction}",
		Help: "Commits that were never answered, and then found again by their keys.", Labels: []Label{perContext}})
	DBWrong = define(Definition{Name: "shop.db.wrong", Kind: Counter, Unit: "{transaction}",
		Help: "Transactions that assumed what was not so, and were run again.", Labels: []Label{perContext}})
	DBStatements = define(Definition{Name: "shop.db.statements", Kind: Counter, Unit: "{statement}",
		Help: "Statements executed in transactions.", Labels: []Label{perContext}})
	DBRoundTrips = define(Definition{Name: "shop.db.round_trips", Kind: Counter, Unit: "{round_trip}",
		Help: "Round trips that transactions took; on PostgreSQL.", Labels: []Label{perContext}})
	DBReads = define(Definition{Name: "shop.db.reads", Kind: Counter, Unit: "{statement}",
		Help: "Statements executed outside transactions.", Labels: []Label{perContext}})
)

// What other processes answer, and what is remembered of it.
var (
	UpstreamRequests = define(Definition{Name: "shop.upstream.requests", Kind: Counter, Unit: "{request}",
		Help: "Attempts to ask another process, and what was refused without one, by outcome.",
		Labels: []Label{perUpstream, perTraffic,
			{Name: "outcome", Values: []string{"answered", "failed", "timed_out", "unreachable", "left", "refused_open", "refused_full"}}}})
	UpstreamFailures = define(Definition{Name: "shop.upstream.failures", Kind: Counter, Unit: "{request}",
		Help: "Requests to a context elsewhere that it did not answer.", Labels: []Label{perContext}})
	BreakerState = define(Definition{Name: "shop.breaker.state", Kind: Gauge, Unit: "{state}",
		Help: "A circuit breaker: 0 closed, 1 half open, 2 open.", Labels: []Label{perUpstream, perTraffic}})
	BreakerTransitions = define(Definition{Name: "shop.breaker.transitions", Kind: Counter, Unit: "{transition}",
		Help:   "Changes of a circuit breaker, by the state that it came to.",
		Labels: []Label{perUpstream, perTraffic, {Name: "state", Values: []string{"closed", "half_open", "open"}}}})
	SharedRequests = define(Definition{Name: "shop.shared_requests", Kind: Counter, Unit: "{request}",
		Help:   "Requests for a context that is hosted here and elsewhere, by where they were answered; fallback: here, since not elsewhere.",
		Labels: []Label{perContext, {Name: "to", Values: []string{"here", "elsewhere", "fallback"}}}})
	MirroredRequests = define(Definition{Name: "shop.mirrored_requests", Kind: Counter, Unit: "{request}",
		Help: "Reads that were asked of both places of a context, and how the answers compare.",
		Labels: []Label{perContext,
			{Name: "result", Values: []string{"same", "status", "body", "missing", "too_long", "dropped", "abandoned"}}}})
	DetailsUnavailable = define(Definition{Name: "shop.order_details.unavailable", Kind: Counter, Unit: "{part}",
		Help:   "Parts of the details of an order that did not come in time.",
		Labels: []Label{{Name: "part", Values: []string{"payments", "shipments", "customer", "stock"}}}})
	FlagsReloads = define(Definition{Name: "shop.flags.reloads", Kind: Counter, Unit: "{change}",
		Help:   "Changes of the file of flags: those that were taken over (ok), and those that made no sense (invalid).",
		Labels: []Label{{Name: "result", Values: []string{"ok", "invalid"}}}})
	FlagsValid = define(Definition{Name: "shop.flags.valid", Kind: Gauge, Unit: "{file}",
		Help: "Whether the flags in use are those of the file: 1, or 0 when it makes no sense and those of before are in use."})
	CacheRequests = define(Definition{Name: "shop.cache.requests", Kind: Counter, Unit: "{request}",
		Help:   "Answers asked of a cache, by where they were found: local, shared, or miss.",
		Labels: []Label{{Name: "cache", Of: Caches}, {Name: "result", Values: []string{"local", "shared", "miss"}}}})
	CacheFailures = define(Definition{Name: "shop.cache.failures", Kind: Counter, Unit: "{failure}",
		Help:   "What failed behind a cache: fetch, or redis (asked in vain, or not asked because it failed a moment ago).",
		Labels: []Label{{Name: "cache", Of: Caches}, {Name: "of", Values: []string{"fetch", "redis"}}}})
	RedisUp = define(Definition{Name: "shop.redis.up", Kind: Gauge, Unit: "{server}",
		Help: "Whether Redis answered when it was last asked: 1 or 0."})
)
