package cache

import "context"

// Ping asks Redis for a sign of life, whatever the breaker says: for diagnosis. Errors: what Redis or the network says.
func (s *Shared) Ping(ctx context.Context) error { return s.client.Ping(ctx).Err() }
