package paymentsapi

import "shop/internal/platform/bus"

// Messages are what payments is told and tells, type by type.
func Messages() []bus.Message {
	return []bus.Message{
		bus.Describe[TakePayment]("Charge the method. Answered by PaymentCaptured or PaymentDeclined, once that is certain."),
		bus.Describe[CancelPayment]("Make sure that the customer pays nothing. Answered by PaymentCancelled or PaymentCancelFailed."),
		bus.Describe[PaymentCaptured]("The money is ours."),
		bus.Describe[PaymentDeclined]("The provider said no, for certain."),
		bus.Describe[PaymentCancelled]("The customer pays nothing; what had been captured went back."),
		bus.Describe[PaymentCancelFailed]("The provider refuses to give the money back; an operator must look."),
		bus.Describe[PaymentRefunded]("An operator gave money back."),
	}
}
