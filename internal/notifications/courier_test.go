package notifications

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"shop/internal/notifications/notificationsapi"
	"shop/internal/platform/clock"
	"shop/internal/platform/sqldb"
	"shop/internal/platform/sqldb/dbtest"
)

func TestWhatTheServerRefusesForGoodIsFailed(t *testing.T) {
	var b *inbox
	atOneDesk(t, func(t *testing.T) Needs { b = openInbox(t, nil); return mailing(b) }, func(t *testing.T, d *desk) {
		d.tell(orderConfirmedBy("ord_1", "refused@example.org"), orderConfirmedBy("ord_2", "spam@example.org"), orderConfirmedBy("ord_3", "ada@example.org"))
		n := d.until("ord_1.order_confirmed", "failed")
		require.Contains(t, n.Problem, `550 "no mailbox`)
		require.EqualValues(t, 1, n.Attempts)
		require.Contains(t, d.until("ord_2.order_confirmed", "failed").Problem, "554")
		d.until("ord_3.order_confirmed", "sent")
		require.Equal(t, 1, b.count(), "one refusal is nobody else's")
	})
}

func TestWhatTheServerRefusesForTheMomentIsTriedAgain(t *testing.T) {
	var b *inbox
	atDesk(t, func(t *testing.T) Needs { b = openInbox(t, nil); return mailing(b) }, func(t *testing.T, d *desk) {
		d.tell(orderConfirmedBy("ord_1", "busy@example.org"), orderConfirmedBy("ord_2", "closing@example.org"))
		for _, id := range []string{"ord_1.order_confirmed", "ord_2.order_confirmed"} {
			require.Eventually(t, func() bool { return d.until(id, "pending").Attempts == 1 }, patience, 2*time.Millisecond)
			n := d.until(id, "pending")
			require.Equal(t, d.time.Now().Add(time.Minute), *n.NextAttemptAt)
			require.NotEmpty(t, n.Problem)
		}
		require.Zero(t, b.count())
		d.time.Advance(time.Minute)
		for id, to := range map[string]string{"ord_1.order_confirmed": "busy@example.org", "ord_2.order_confirmed": "closing@example.org"} {
			n := d.until(id, "sent")
			require.EqualValues(t, 2, n.Attempts)
			require.Empty(t, n.Problem)
			require.Len(t, b.of(to), 1)
		}
	})
}

func TestAMailboxThatIsFullForTooLongFails(t *testing.T) {
	var b *inbox
	atOneDesk(t, func(t *testing.T) Needs { b = openInbox(t, nil); return mailing(b) }, func(t *testing.T, d *desk) {
		d.tell(orderConfirmedBy("ord_1", "full@example.org"))
		for i, pause := range pauses {
			require.Eventually(t, func() bool {
				r, err := d.notification(t.Context(), "ord_1.order_confirmed")
				return err == nil && r.State == pending && r.Attempts == int64(i+1)
			}, patience, 2*time.Millisecond)
			d.time.Advance(pause)
		}
		n := d.until("ord_1.order_confirmed", "failed")
		require.EqualValues(t, len(pauses)+1, n.Attempts)
		require.Contains(t, n.Problem, "452")
	})
}

func TestAnAnswerThatNeverComesLeavesItUnknownAndIsNotTriedAgain(t *testing.T) {
	var b *inbox
	needs := func(t *testing.T) Needs {
		b = openInbox(t, nil)
		n := mailing(b)
		n.Timeout = 3 * time.Second // long enough for everything but an answer that never comes
		return n
	}
	atOneDesk(t, needs, func(t *testing.T, d *desk) {
		d.tell(orderConfirmedBy("ord_1", "cut@example.org"), orderConfirmedBy("ord_2", "mute@example.org"))
		for _, id := range []string{"ord_1.order_confirmed", "ord_2.order_confirmed"} {
			n := d.until(id, "unknown")
			require.EqualValues(t, 1, n.Attempts)
			require.NotEmpty(t, n.Problem)
			require.Nil(t, n.SentAt)
			require.Nil(t, n.NextAttemptAt)
		}
		d.time.Advance(24 * time.Hour)
		d.tell(orderConfirmedBy("ord_3", "ada@example.org"))
		d.until("ord_3.order_confirmed", "sent") // so the courier has looked again
		require.Len(t, b.of("cut@example.org"), 1)
		require.Len(t, b.of("mute@example.org"), 1)

		listed := viewsOf(t, d, "/v1/notifications?status=unknown")
		require.Len(t, listed, 2)
		again := is[notificationsapi.Notification](d.ask(operator, "POST", "/v1/notifications/ord_1.order_confirmed/resend"), 200)
		require.Contains(t, []string{"pending", "sending", "sent"}, again.Status)
		d.until("ord_1.order_confirmed", "sent")
		twice := b.of("cut@example.org")
		require.Len(t, twice, 2)
		require.Equal(t, twice[0].open(t).header.Get("Message-Id"), twice[1].open(t).header.Get("Message-Id"), "by which mail programs know it")
	})
}

func TestAMailServerThatIsAwayCostsNoAttempt(t *testing.T) {
	var logged *observer.ObservedLogs
	needs := func(t *testing.T) Needs {
		l, err := net.Listen("tcp", "127.0.0.1:0") // a port that nobody answers at, once it is closed
		require.NoError(t, err)
		require.NoError(t, l.Close())
		n := mailing(&inbox{addr: l.Addr().(*net.TCPAddr)})
		core, logs := observer.New(zap.WarnLevel)
		n.Log, logged = zap.New(core), logs
		return n
	}
	atOneDesk(t, needs, func(t *testing.T, d *desk) {
		d.tell(orderConfirmedBy("ord_1", "ada@example.org"), orderConfirmedBy("ord_2", "bob@example.org"))
		require.Eventually(t, func() bool {
			return logged.FilterMessageSnippet("the mail server cannot be used").Len() > 0
		}, patience, 2*time.Millisecond)
		require.EqualValues(t, 0, d.until("ord_1.order_confirmed", "pending").Attempts)

		d.stop(d.Stop)
		b := openInbox(t, nil)
		d.Module = d.open(mailing(b))
		require.NoError(t, d.Start(t.Context()))
		d.until("ord_1.order_confirmed", "sent")
		d.until("ord_2.order_confirmed", "sent")
		require.Equal(t, 2, b.count())
	})
}

func TestAServerThatAcceptsAndSaysNothingIsAway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	s := smtpSender{mail: *mailing(&inbox{addr: l.Addr().(*net.TCPAddr)}).Mail, timeout: 50 * time.Millisecond}
	_, err = s.connect(t.Context())
	require.Error(t, err)
}

func TestAStopDoesNotWaitForAServerThatDoesNotAnswerAndTheNextStartSaysSo(t *testing.T) {
	var b *inbox
	atOneDesk(t, func(t *testing.T) Needs { b = openInbox(t, nil); return mailing(b) }, func(t *testing.T, d *desk) {
		d.tell(orderConfirmedBy("ord_1", "mute@example.org"))
		select {
		case <-b.mute:
		case <-time.After(patience):
			require.FailNow(t, "nothing was sent")
		}
		d.courier.grace = time.Millisecond
		d.stop(d.Stop)
		r, err := d.notification(t.Context(), "ord_1.order_confirmed")
		require.NoError(t, err)
		require.Equal(t, sending, r.State)

		d.Module = d.open(mailing(b))
		require.NoError(t, d.Start(t.Context()))
		d.tell(orderConfirmedBy("ord_2", "ada@example.org"))
		d.until("ord_2.order_confirmed", "sent")
		d.until("ord_1.order_confirmed", "sending") // its time is not over: another process might still be at it
		d.time.Advance(d.courier.lease)
		n := d.until("ord_1.order_confirmed", "unknown")
		require.Contains(t, n.Problem, "did not come back")
		require.Len(t, b.of("mute@example.org"), 1)
		b.close()
	})
}

func TestTwoCouriersSendEachMessageOnce(t *testing.T) {
	t.Parallel()
	dbtest.EachURL(t, func(t *testing.T, url string) {
		const n = 60
		b := openInbox(t, nil)
		d := &desk{t: t, url: url, time: clock.NewFake(time.Now())}
		d.transport = newTransport()
		first, second := d.open(mailing(b)), d.open(mailing(b))
		d.Module = first
		require.NoError(t, first.db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			for i := range n {
				e := orderConfirmedBy(fmt.Sprintf("ord_%02d", i), fmt.Sprintf("c%d@example.org", i))
				first.intend(ctx, tx, e.Summary, confirmed(e))
			}
			return nil
		}))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{}, 2)
		for _, m := range []*Module{first, second} { // as when two processes believe that they lead
			go func() {
				m.courier.run(ctx)
				ended <- struct{}{}
			}()
		}
		for i := range n {
			d.until(fmt.Sprintf("ord_%02d.order_confirmed", i), "sent")
		}
		cancel()
		<-ended
		<-ended
		for i := range n {
			require.Len(t, b.of(fmt.Sprintf("c%d@example.org", i)), 1)
		}
		d.audit()
	})
}

func TestAnAttemptIsClaimedByOneAndFoundAgainByIt(t *testing.T) {
	dbtest.Each(t, "notifications", func(t *testing.T, db *sqldb.DB) {
		m := New(Needs{DB: db, Bus: newTransport()})
		now := clock.System.Now()
		try := func(name string) (claimed bool) {
			require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) (err error) {
				claimed, err = claim(ctx, tx, "ord_1.order_confirmed", name, now, now.Add(time.Minute))
				return err
			}))
			return claimed
		}
		over := func(name string, o outcome) {
			require.NoError(t, db.Write(t.Context(), "", func(_ context.Context, tx *sqldb.Tx) error {
				record(tx, "ord_1.order_confirmed", name, "smtp", o.problem, o.after(1, now), now)
				return nil
			}))
		}
		state := func() state {
			r, err := m.notification(t.Context(), "ord_1.order_confirmed")
			require.NoError(t, err)
			return r.State
		}
		require.False(t, try("early"))
		require.NoError(t, db.Write(t.Context(), "", func(ctx context.Context, tx *sqldb.Tx) error {
			e := orderConfirmedBy("ord_1", "ada@example.org")
			m.intend(ctx, tx, e.Summary, confirmed(e))
			return nil
		}))
		require.True(t, try("mine"))
		require.True(t, try("mine"), "as after a commit that nobody answered")
		require.False(t, try("yours"))
		over("yours", outcome{state: failed, problem: "x"})
		require.Equal(t, sending, state(), "only who has claimed it says what came of it")
		over("mine", outcome{state: sent})
		require.Equal(t, sent, state())
		over("mine", outcome{state: unknown})
		require.Equal(t, sent, state())
		require.False(t, try("late"))
		r, err := m.notification(t.Context(), "ord_1.order_confirmed")
		require.NoError(t, err)
		require.EqualValues(t, 1, r.Attempts)
	})
}

func TestAConnectionThatTheServerClosedMeanwhileIsReplacedWithoutAnAttempt(t *testing.T) {
	b := openInbox(t, nil)
	s := smtpSender{mail: *b.mail(Plain), timeout: patience}
	line, err := s.connect(t.Context())
	require.NoError(t, err)
	in := intent{row: row{ID: "ord_1.order_confirmed"}, Email: "ada@example.org", Data: sqldb.JSON(`{}`)}
	require.Equal(t, outcome{state: sent, usable: true}, line.deliver(in))
	b.close()
	o := line.deliver(in)
	require.Equal(t, pending, o.state)
	require.True(t, o.free)
	require.False(t, o.usable)
	line.hangUp()
	require.Equal(t, 1, b.count())
}

func TestTheWayToTheServerIsProtectedAsConfigured(t *testing.T) {
	in := intent{row: row{ID: "ord_1.order_confirmed"}, Email: "ada@example.org", Data: sqldb.JSON(`{}`)}
	withPassword := func(b *inbox, security Security) *smtpSender {
		b.password = "geheim"
		m := *b.mail(security)
		m.User, m.Password = "shop", "geheim"
		return &smtpSender{mail: m, timeout: patience, trust: b.trust}
	}
	t.Run("starttls and a password", func(t *testing.T) {
		b := openInbox(t, func(s *smtp.Server) { s.AllowInsecureAuth = false })
		line, err := withPassword(b, StartTLS).connect(t.Context())
		require.NoError(t, err)
		defer line.hangUp()
		require.Equal(t, sent, line.deliver(in).state)
	})
	t.Run("tls from the start", func(t *testing.T) {
		b := openInbox(t, func(s *smtp.Server) { s.LMTP, s.AllowInsecureAuth = true, false })
		line, err := withPassword(b, TLS).connect(t.Context())
		require.NoError(t, err)
		defer line.hangUp()
		require.Equal(t, sent, line.deliver(in).state)
	})
	t.Run("a server without starttls is not spoken to", func(t *testing.T) {
		b := openInbox(t, func(s *smtp.Server) { s.TLSConfig = nil })
		_, err := withPassword(b, StartTLS).connect(t.Context())
		require.ErrorContains(t, err, "STARTTLS")
	})
	t.Run("nor is one that nobody vouches for", func(t *testing.T) {
		s := withPassword(openInbox(t, nil), StartTLS)
		s.trust = nil
		_, err := s.connect(t.Context())
		require.ErrorContains(t, err, "certificate")
	})
	t.Run("a wrong password is nobody's attempt", func(t *testing.T) {
		s := withPassword(openInbox(t, nil), StartTLS)
		s.mail.Password = "wrong-geheim"
		_, err := s.connect(t.Context())
		require.ErrorContains(t, err, "SMTP AUTH failed")
		require.NotContains(t, err.Error(), "geheim")
	})
}
