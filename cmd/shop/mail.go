package main

import "shop/internal/notifications"

// mail is through which server customers are written to, and as whom; nil when that is not configured. Errors: exitError with exitConfiguration, which repeats no password.
func (s settings) mail() (*notifications.Mail, error) {
	switch {
	case s.SMTPURL == "" && s.MailFrom == "":
		return nil, nil
	case s.SMTPURL == "":
		return nil, configError("SHOP_SMTP_URL: is missing; messages from SHOP_MAIL_FROM need a mail server")
	case s.MailFrom == "":
		return nil, configError("SHOP_MAIL_FROM: is missing; the mail server of SHOP_SMTP_URL needs to know who writes")
	}
	m, err := notifications.ParseSMTP(s.SMTPURL)
	if err != nil {
		return nil, configError("SHOP_SMTP_URL: %w", err)
	}
	if m.From, err = notifications.ParseFrom(s.MailFrom); err != nil {
		return nil, configError("SHOP_MAIL_FROM: %w", err)
	}
	return &m, nil
}
