// Package amqptest runs a private RabbitMQ for tests, from the installed programs: with its own name, ports, files and process group, as whoever runs the tests. It does not
// touch a broker that is there.
//
// A node takes seconds to start, so that the tests of a package share one. Each gets a virtual host of its own.
package amqptest
