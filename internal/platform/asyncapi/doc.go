// Package asyncapi describes the messages between contexts for those who are no Go program: the JSON Schema of each message's body, and an AsyncAPI 3.0 document of what an
// application sends and receives, with the CloudEvents attributes that every message carries.
package asyncapi
