// Package generations remembers what is in use, in bounded memory, without looking for what is old.
package generations

// Map keeps at most twice as many values as a generation has. When the young generation is full it becomes the old one, and the old one is dropped whole.
// It is for one goroutine at a time: whoever has it locks. Make one with New.
type Map[K comparable, V any] struct {
	size       int
	young, old map[K]V
}

// New makes a map whose generations have size values, at least one.
func New[K comparable, V any](size int) *Map[K, V] {
	return &Map[K, V]{size: max(1, size), young: map[K]V{}}
}

// Put remembers a value.
func (m *Map[K, V]) Put(key K, v V) {
	if len(m.young) >= m.size {
		m.young, m.old = map[K]V{}, m.young
	}
	m.young[key] = v
}

// Get finds a value that is still remembered.
func (m *Map[K, V]) Get(key K) (V, bool) {
	v, ok := m.young[key]
	if !ok {
		v, ok = m.old[key]
	}
	return v, ok
}

// Take is Get, and forgets the value.
func (m *Map[K, V]) Take(key K) (V, bool) {
	v, ok := m.Get(key)
	delete(m.young, key)
	delete(m.old, key)
	return v, ok
}

// Len is how many values are kept; one of both generations counts twice.
func (m *Map[K, V]) Len() int { return len(m.young) + len(m.old) }
