//go:build !race

package bus

// verify is for builds with the race detector; see handed_race.go.
func (d *delivery) verify() {}
