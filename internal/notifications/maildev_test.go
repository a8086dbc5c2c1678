package notifications

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/mail"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shop/internal/platform/sqldb"
)

// The same messages in an inbox that shares no code with us: npm install -g maildev@2.2.1, or SHOP_TEST_MAILDEV says where it is.
func TestAnotherInboxReadsWhatWeWrite(t *testing.T) {
	program := os.Getenv("SHOP_TEST_MAILDEV")
	if program == "" {
		var err error
		if program, err = exec.LookPath("maildev"); err != nil {
			t.Skip("maildev is not installed: npm install -g maildev@2.2.1")
		}
	}
	smtpPort, webPort := freePort(t), freePort(t)
	ctx, stop := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, program, "--ip", "127.0.0.1", "--smtp", fmt.Sprint(smtpPort), "--web", fmt.Sprint(webPort), "--mail-directory", t.TempDir())
	require.NoError(t, cmd.Start())
	defer func() {
		stop()
		_ = cmd.Wait()
	}()
	s := smtpSender{mail: Mail{Host: "127.0.0.1", Port: smtpPort, Security: Plain, From: mail.Address{Name: "Teehaus Grün", Address: "orders@tea.example"}}, timeout: patience}
	var line *connection
	require.Eventually(t, func() bool {
		var err error
		line, err = s.connect(t.Context())
		return err == nil
	}, patience, 20*time.Millisecond)
	defer func() { line.hangUp() }()
	in := intent{row: row{ID: "ord_1.order_shipped"}, Name: `Zoë "<b>Zo</b>"`, Email: "zoe@example.org",
		Data: sqldb.Marshal(news{Carrier: "<i>DHL</i>", TrackingNumber: "42"})}
	require.Equal(t, outcome{state: sent, usable: true}, line.deliver(in))

	type person struct{ Address, Name string }
	var read []struct {
		Subject, Text, HTML, MessageID string
		From, To                       []person
	}
	client := &http.Client{Timeout: patience}
	require.Eventually(t, func() bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/email", webPort), nil)
		if err != nil {
			return false
		}
		res, err := client.Do(req)
		if err != nil {
			return false
		}
		defer func() { _ = res.Body.Close() }()
		return json.NewDecoder(res.Body).Decode(&read) == nil && len(read) == 1
	}, patience, 20*time.Millisecond)
	m := read[0]
	require.Equal(t, "Your order ord_1 is on its way", m.Subject)
	require.Equal(t, "ord_1.order_shipped@tea.example", m.MessageID)
	require.Equal(t, []person{{"orders@tea.example", "Teehaus Grün"}}, m.From)
	require.Equal(t, []person{{"zoe@example.org", `Zoë "<b>Zo</b>"`}}, m.To)
	require.Contains(t, m.Text, "with <i>DHL</i>.\n")
	require.Contains(t, m.HTML, "with &lt;i&gt;DHL&lt;/i&gt;.")
	require.Contains(t, m.HTML, "Teehaus Grün")
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}
