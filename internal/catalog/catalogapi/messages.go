package catalogapi

import "shop/internal/platform/bus"

// Messages are what catalog tells, type by type.
func Messages() []bus.Message {
	return []bus.Message{
		bus.Describe[ProductChanged]("A product was made, or its name, description, price or activity changed. Versions grow by one."),
	}
}
