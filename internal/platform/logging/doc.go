// Package logging is the log of the process: one JSON object a line, whose level can be changed while it runs, which is not drowned by a flood, and which gives away
// no card, token, password or address.
//
// What each line says of the request or message it was written for is in platform/telemetry. The fields are in docs/reference/logs.md.
package logging
