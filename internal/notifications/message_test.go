package notifications

import (
	"net/mail"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb"
)

// hostile are texts that customers or carriers may have, and that must stay texts.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `{{.Shop}}`, `{{define "message"}}x{{end}}`, "Ann\r\nBcc: eve@example.org\r\n\r\nBuy!", "Ann\nSubject: x",
	"\u202eevil\u202c", "a\x00b", `Ann" <eve@example.org>, "Bob`, "=?utf-8?q?x?=", "Zoë 🫖", strings.Repeat("x", 5000), "\xff\xfe", ".\r\n.\r\nQUIT",
}

func TestHostileTextsStayTexts(t *testing.T) {
	b := openInbox(t, nil)
	s := smtpSender{mail: *b.mail(Plain), timeout: patience}
	s.mail.From.Name = `Tea & "Co" <x>`
	line, err := s.connect(t.Context())
	require.NoError(t, err)
	defer line.hangUp()
	for i, evil := range hostile {
		in := intent{row: row{ID: "ord_1.order_shipped"}, Name: evil, Email: "ada@example.org",
			Data: sqldb.Marshal(news{Carrier: evil, TrackingNumber: evil, Total: eur(1)})}
		require.Equal(t, outcome{state: sent, usable: true}, line.deliver(in), "%q", evil)
		letters := b.of("ada@example.org")
		require.Len(t, letters, i+1)
		m := letters[i].open(t)
		want := map[string]bool{"From": true, "To": true, "Subject": true, "Date": true, "Message-Id": true, "Mime-Version": true, "Content-Type": true,
			"Auto-Submitted": true}
		for name, values := range m.header {
			require.True(t, want[name], "%q made a header %s", evil, name)
			require.Len(t, values, 1)
		}
		require.Equal(t, "Your order ord_1 is on its way", m.subject)
		to, err := mail.ParseAddressList(m.header.Get("To"))
		require.NoError(t, err, "%q", evil)
		require.Len(t, to, 1)
		require.Equal(t, "ada@example.org", to[0].Address)
		from, err := mail.ParseAddress(m.header.Get("From"))
		require.NoError(t, err)
		require.Equal(t, s.mail.From.Name, from.Name)
		require.NotContains(t, m.html, "<script>")
		require.NotContains(t, m.html, "<img")
		require.NotContains(t, m.html, "\u202e")
		require.Contains(t, m.html, "Tea &amp; &#34;Co&#34; &lt;x&gt;")
		require.Contains(t, m.text, "Your order number is ord_1.\n\nTea & \"Co\" <x>\n", "the text is not escaped: nobody runs it")
		require.Len(t, strings.Split(m.text, "\n"), 10, "a text keeps to its line: %q", m.text)
	}
}

func TestNoAddressMakesACommand(t *testing.T) {
	b := openInbox(t, nil)
	s := smtpSender{mail: *b.mail(Plain), timeout: patience}
	line, err := s.connect(t.Context())
	require.NoError(t, err)
	defer line.hangUp()
	for _, evil := range []string{"ada@example.org\r\nRCPT TO:<eve@example.org>", "ada@example.org>\r\nDATA", "Ada <ada@example.org>", "ada@example.org, eve@example.org", "nobody", "",
		"\"a\r\nb\"@example.org", "<ada@example.org> SIZE=1"} {
		o := line.deliver(intent{row: row{ID: "ord_1.order_confirmed"}, Email: evil, Data: sqldb.JSON(`{}`)})
		require.Equal(t, failed, o.state, evil)
		require.NotContains(t, o.problem, "eve@")
	}
	require.Zero(t, b.count())
	require.Empty(t, b.seen)
}

func TestWhatCannotBeWrittenIsFailed(t *testing.T) {
	b := openInbox(t, nil)
	s := smtpSender{mail: *b.mail(Plain), timeout: patience}
	line, err := s.connect(t.Context())
	require.NoError(t, err)
	defer line.hangUp()
	require.Equal(t, failed, line.deliver(intent{row: row{ID: "ord_1.birthday"}, Email: "ada@example.org", Data: sqldb.JSON(`{}`)}).state)
	require.Equal(t, failed, line.deliver(intent{row: row{ID: "ord_1.order_confirmed"}, Email: "ada@example.org", Data: sqldb.JSON(`[`)}).state)
	require.Zero(t, b.count())
}

func TestEveryReasonOfACancellationIsSaid(t *testing.T) {
	for reason, why := range reasons {
		in := intent{row: row{ID: "ord_1.order_cancelled"}, Data: sqldb.Marshal(news{Reason: reason})}
		r, err := in.render("Tea Shop")
		require.NoError(t, err)
		require.Contains(t, r.text, "Your order is cancelled. "+why)
		require.Contains(t, r.html, "Your order is cancelled. ")
		require.NotContains(t, r.text, "given back")
	}
}
