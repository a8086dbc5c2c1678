package customersapi

import "shop/internal/platform/bus"

// Messages are what customers tells, type by type.
func Messages() []bus.Message {
	return []bus.Message{
		bus.Describe[CustomerRegistered]("There is a profile."),
		bus.Describe[CustomerChanged]("Something of the profile or its addresses is different; name and email are what they are now."),
		bus.Describe[CustomerErased]("The customer wants to be forgotten: whoever keeps their personal data without a duty to do so deletes it now."),
	}
}
