package customers

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shop/internal/customers/customersapi"
	"shop/internal/platform/auth"
	"shop/internal/platform/auth/authtest"
	"shop/internal/platform/bus"
	"shop/internal/platform/id"
	"shop/internal/platform/web"
)

func TestACustomersIDIsTheSubjectOfTheirToken(t *testing.T) {
	atDesk(t, func(t *testing.T, d *desk) {
		made := d.ask(ada, http.MethodPost, "/v1/customers", adasProfile)
		c := is[customersapi.Customer](made, http.StatusCreated)
		require.Equal(t, "auth0|ada", c.ID)
		require.Equal(t, "Ada@Example.org", c.Email)
		require.Empty(t, c.Addresses)
		require.Equal(t, adasPath, made.header.Get("Location"))
		require.Equal(t, `"1"`, made.header.Get("ETag"))

		read := d.ask(ada, http.MethodGet, made.header.Get("Location"), "")
		require.Equal(t, c, is[customersapi.Customer](read, http.StatusOK))
		require.Equal(t, `"1"`, read.header.Get("ETag"))
		require.Equal(t, http.StatusNotModified, d.ask(ada, http.MethodGet, adasPath, "", "If-None-Match", `"1"`).status)

		d.ask(ada, http.MethodPost, "/v1/customers", adasProfile).problem(http.StatusConflict, "customer_exists")
		d.ask(bob, http.MethodPost, "/v1/customers", `{"id":"auth0|ada","name":"Bob","email":"bob@example.org"}`).problem(http.StatusUnprocessableEntity, "invalid_input")
		is[customersapi.Customer](d.ask(bob, http.MethodPost, "/v1/customers", `{"id":"cus_bob","name":"Bob","email":"bob@example.org"}`), http.StatusCreated)
		d.ask(auth.Principal{Role: auth.Customer, Subject: "../ada"}, http.MethodPost, "/v1/customers", adasProfile).problem(http.StatusUnprocessableEntity, "invalid_subject")
		require.Equal(t, []bus.Body{customersapi.CustomerRegistered{CustomerID: "auth0|ada", Name: "Ada Lovelace", Email: "Ada@Example.org", Version: 1}}, d.story("auth0|ada"))
	})
}

func TestOperatorsAndServicesMakeAnybodysProfile(t *testing.T) {
	atDesk(t, func(t *testing.T, d *desk) {
		for _, who := range []auth.Principal{operator, service} {
			c := is[customersapi.Customer](d.ask(who, http.MethodPost, "/v1/customers", adasProfile), http.StatusCreated)
			require.True(t, id.Valid("cus", c.ID), c.ID)
			named := strings.Replace(adasProfile, "{", `{"id":"c-`+string(who.Role)+`",`, 1)
			require.Equal(t, "c-"+string(who.Role), is[customersapi.Customer](d.ask(who, http.MethodPost, "/v1/customers", named), http.StatusCreated).ID)
			d.ask(who, http.MethodPost, "/v1/customers", named).problem(http.StatusConflict, "customer_exists")
		}
	})
}

func TestARegistrationWithAKeyIsMadeOnce(t *testing.T) {
	atDesk(t, func(t *testing.T, d *desk) {
		first := d.ask(operator, http.MethodPost, "/v1/customers", adasProfile, "Idempotency-Key", "k1")
		again := d.ask(operator, http.MethodPost, "/v1/customers", adasProfile, "Idempotency-Key", "k1")
		require.Equal(t, is[customersapi.Customer](first, http.StatusCreated), is[customersapi.Customer](again, http.StatusCreated))
		require.Equal(t, first.header.Get("Location"), again.header.Get("Location"))
		require.Empty(t, first.header.Get("Idempotency-Replayed"))
		require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
		d.ask(operator, http.MethodPost, "/v1/customers", `{"name":"X","email":"x@example.org"}`, "Idempotency-Key", "k1").problem(http.StatusUnprocessableEntity, "idempotency_key_reused")
		require.NotEqual(t, first.header.Get("Location"), d.ask(service, http.MethodPost, "/v1/customers", adasProfile, "Idempotency-Key", "k1").header.Get("Location"))

		var kept string
		require.NoError(t, d.db.Get(t.Context(), &kept, `SELECT coalesce(sum(length(body)), 0) FROM idempotency_keys`))
		require.Equal(t, "0", kept, "a stored answer must not outlive an erasure")
	})
}

func TestWhatIsSomebodyElsesLooksAsIfItWereNotThere(t *testing.T) {
	atOneDesk(t, func(t *testing.T, d *desk) {
		d.adaRegistered()
		home := is[customersapi.Address](d.ask(ada, http.MethodPost, adasPath+"/addresses", home), http.StatusCreated)
		before := is[customersapi.Customer](d.ask(ada, http.MethodGet, adasPath, ""), http.StatusOK)
		nobody := auth.Principal{}
		for _, request := range []struct{ method, path, body string }{
			{http.MethodGet, "", ""},
			{http.MethodPatch, "", `{"name":"Mallory"}`},
			{http.MethodDelete, "", ""},
			{http.MethodGet, "/addresses", ""},
			{http.MethodPost, "/addresses", addressOf("Mallory")},
			{http.MethodGet, "/addresses/" + home.ID, ""},
			{http.MethodPut, "/addresses/" + home.ID, addressOf("Mallory")},
			{http.MethodDelete, "/addresses/" + home.ID, ""},
		} {
			theirs := d.ask(bob, request.method, adasPath+request.path, request.body)
			nobodys := d.ask(bob, request.method, "/v1/customers/nobody"+request.path, request.body)
			theirs.problem(http.StatusNotFound, "customer_not_found")
			require.Equal(t, withoutTrace(nobodys.body), withoutTrace(theirs.body), request.method+request.path)
			require.Contains(t, []int{http.StatusNotFound, http.StatusUnauthorized}, d.ask(nobody, request.method, adasPath+request.path, request.body).status)
		}
		require.Equal(t, before, is[customersapi.Customer](d.ask(operator, http.MethodGet, adasPath, ""), http.StatusOK))
		require.Equal(t, before, is[customersapi.Customer](d.ask(service, http.MethodGet, adasPath, ""), http.StatusOK))
		require.Equal(t, http.StatusUnauthorized, d.ask(nobody, http.MethodPost, "/v1/customers", adasProfile).status)
	})
}

func withoutTrace(problem string) string {
	before, _, _ := strings.Cut(problem, `"instance"`)
	return before
}

func TestAPatchChangesWhatItNamesAndNothingElse(t *testing.T) {
	atDesk(t, func(t *testing.T, d *desk) {
		d.adaRegistered()
		patched := d.ask(ada, http.MethodPatch, adasPath, `{"name":"Ada King"}`, "Content-Type", "application/merge-patch+json", "If-Match", `"1"`)
		c := is[customersapi.Customer](patched, http.StatusOK)
		require.Equal(t, "Ada King", c.Name)
		require.Equal(t, "Ada@Example.org", c.Email)
		require.Equal(t, "+44 20 7946 0000", c.Phone)
		require.Equal(t, `"2"`, patched.header.Get("ETag"))

		d.ask(ada, http.MethodPatch, adasPath, `{"name":"Countess"}`, "If-Match", `"1"`).problem(http.StatusPreconditionFailed, "version_conflict")
		require.EqualValues(t, 2, is[customersapi.Customer](d.ask(ada, http.MethodPatch, adasPath, `{"name":"Ada King"}`), http.StatusOK).Version, "what stays as it is is no change")
		require.EqualValues(t, 2, is[customersapi.Customer](d.ask(ada, http.MethodPatch, adasPath, `{}`), http.StatusOK).Version)
		c = is[customersapi.Customer](d.ask(ada, http.MethodPatch, adasPath, `{"phone":null,"email":"ada@king.example"}`), http.StatusOK)
		require.Empty(t, c.Phone)
		require.Equal(t, "ada@king.example", c.Email)
		require.Equal(t, []bus.Body{
			customersapi.CustomerRegistered{CustomerID: c.ID, Name: "Ada Lovelace", Email: "Ada@Example.org", Version: 1},
			customersapi.CustomerChanged{CustomerID: c.ID, Name: "Ada King", Email: "Ada@Example.org", Version: 2},
			customersapi.CustomerChanged{CustomerID: c.ID, Name: "Ada King", Email: "ada@king.example", Version: 3},
		}, d.story(c.ID))
	})
}

func TestAProfileThatBreaksARuleIsRefused(t *testing.T) {
	atOneDesk(t, func(t *testing.T, d *desk) {
		d.adaRegistered()
		long := strings.Repeat("x", 255)
		for _, body := range []string{
			`{"name":"","email":"a@b.c"}`, `{"name":"A\r\nBcc: x@y.z","email":"a@b.c"}`, `{"name":"A","email":"a"}`, `{"name":"A","email":"Ada <a@b.c>"}`,
			`{"name":"A","email":"a@b.c\r\nBcc: x@y.z"}`, `{"name":"A"}`, `{"email":"a@b.c"}`, `{"name":"` + long + `","email":"a@b.c"}`,
			`{"name":"A","email":"a@b.c","role":"operator"}`, `{"name":"A","email":"a@b.c","version":7}`, `{"id":"a/b","name":"A","email":"a@b.c"}`,
			`{"name":"A","email":"a@b.c","addresses":[` + strings.Repeat(home+",", 50) + home + `]}`,
			`{"name":"A","email":"a@b.c","addresses":[{"name":"A"}]}`,
			`{"name":"A","email":"a@b.c","addresses":[` + defaultHome + `,` + defaultHome + `]}`,
		} {
			require.Equal(t, http.StatusUnprocessableEntity, d.ask(operator, http.MethodPost, "/v1/customers", body).status, body)
		}
		for _, body := range []string{`{"name":null}`, `{"email":null}`, `{"name":""}`, `{"email":"nobody"}`, `{"email":""}`, `{"email":"Ada <a@b.c>"}`, `{"name":"a\nb"}`, `{"id":"other"}`, `{"name":7}`,
			`{"name":"` + long + `"}`, `{"phone":"` + long + `"}`} {
			require.Equal(t, http.StatusUnprocessableEntity, d.ask(ada, http.MethodPatch, adasPath, body).status, body)
		}
		require.EqualValues(t, 1, is[customersapi.Customer](d.ask(ada, http.MethodGet, adasPath, ""), http.StatusOK).Version)
	})
}

const (
	home        = `{"name":"Ada Lovelace","line1":"12 St James Square","line2":"Flat 2","city":"London","region":"Greater London","postal_code":"SW1Y 4JH","country":"GB","phone":"1"}`
	defaultHome = `{"name":"Ada","line1":"1","city":"London","country":"GB","default":true}`
)

func addressOf(name string) string { return strings.Replace(home, "Ada Lovelace", name, 1) }

func TestAddressesAreAddedReplacedAndDeleted(t *testing.T) {
	atDesk(t, func(t *testing.T, d *desk) {
		with := strings.TrimSuffix(adasProfile, "}") + `,"addresses":[` + home + `]}`
		made := is[customersapi.Customer](d.ask(ada, http.MethodPost, "/v1/customers", with), http.StatusCreated)
		require.Len(t, made.Addresses, 1)
		first := made.Addresses[0]
		require.True(t, id.Valid("adr", first.ID))
		require.Equal(t, customersapi.Address{ID: first.ID, Name: "Ada Lovelace", Line1: "12 St James Square", Line2: "Flat 2", City: "London", Region: "Greater London",
			PostalCode: "SW1Y 4JH", Country: "GB", Phone: "1"}, first)

		added := d.ask(ada, http.MethodPost, adasPath+"/addresses", defaultHome)
		second := is[customersapi.Address](added, http.StatusCreated)
		require.Equal(t, adasPath+"/addresses/"+second.ID, added.header.Get("Location"))
		require.Equal(t, `"2"`, added.header.Get("ETag"))
		require.Equal(t, second, is[customersapi.Address](d.ask(ada, http.MethodGet, added.header.Get("Location"), ""), http.StatusOK))

		replaced := is[customersapi.Address](d.ask(ada, http.MethodPut, adasPath+"/addresses/"+first.ID, strings.Replace(defaultHome, "London", "Paris", 1)), http.StatusOK)
		require.Equal(t, "Paris", replaced.City)
		require.True(t, replaced.Default)
		list := is[web.Page[customersapi.Address]](d.ask(ada, http.MethodGet, adasPath+"/addresses", ""), http.StatusOK).Data
		require.Len(t, list, 2)
		require.Equal(t, replaced, list[0])
		require.False(t, list[1].Default, "one default at most")

		d.ask(ada, http.MethodDelete, adasPath+"/addresses/"+first.ID, "", "If-Match", `"2"`).problem(http.StatusPreconditionFailed, "version_conflict")
		require.Equal(t, http.StatusNoContent, d.ask(ada, http.MethodDelete, adasPath+"/addresses/"+first.ID, "", "If-Match", `"3"`).status)
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			d.ask(ada, method, adasPath+"/addresses/"+first.ID, "").problem(http.StatusNotFound, "address_not_found")
		}
		d.ask(ada, http.MethodPut, adasPath+"/addresses/"+first.ID, home).problem(http.StatusNotFound, "address_not_found")
		c := is[customersapi.Customer](d.ask(ada, http.MethodGet, adasPath, ""), http.StatusOK)
		require.EqualValues(t, 4, c.Version)
		require.Len(t, c.Addresses, 1)
		require.Len(t, d.story(c.ID), 4)
	})
}

func TestACustomerHasAtMostFiftyAddresses(t *testing.T) {
	atOneDesk(t, func(t *testing.T, d *desk) {
		with := strings.TrimSuffix(adasProfile, "}") + `,"addresses":[` + strings.Repeat(home+",", 49) + home + `]}`
		is[customersapi.Customer](d.ask(ada, http.MethodPost, "/v1/customers", with), http.StatusCreated)
		d.ask(ada, http.MethodPost, adasPath+"/addresses", home).problem(http.StatusConflict, "too_many_addresses")
	})
}

func TestAnErasedCustomerLeavesNothingButTheID(t *testing.T) {
	atDesk(t, func(t *testing.T, d *desk) {
		d.adaRegistered()
		is[customersapi.Address](d.ask(ada, http.MethodPost, adasPath+"/addresses", home), http.StatusCreated)
		require.Equal(t, http.StatusNoContent, d.ask(ada, http.MethodDelete, adasPath, "").status)

		for _, request := range []struct{ method, path, body string }{
			{http.MethodGet, adasPath, ""}, {http.MethodPatch, adasPath, `{"name":"Ada"}`}, {http.MethodDelete, adasPath, ""},
			{http.MethodPost, "/v1/customers", adasProfile}, {http.MethodGet, adasPath + "/addresses", ""}, {http.MethodPost, adasPath + "/addresses", home},
		} {
			d.ask(ada, request.method, request.path, request.body).problem(http.StatusGone, "customer_erased")
		}
		d.ask(operator, http.MethodGet, adasPath, "").problem(http.StatusGone, "customer_erased")
		d.ask(bob, http.MethodGet, adasPath, "").problem(http.StatusNotFound, "customer_not_found")
		require.Empty(t, is[web.Page[customersapi.Customer]](d.ask(operator, http.MethodGet, "/v1/customers", ""), http.StatusOK).Data)
		require.Equal(t, customersapi.CustomerErased{CustomerID: "auth0|ada", Version: 3}, d.story("auth0|ada")[2])

		var left []row
		require.NoError(t, d.db.Select(t.Context(), &left, `SELECT `+columns+` FROM customers`))
		require.Len(t, left, 1)
		text := fmt.Sprintf("%+v %s", left[0], left[0].Addresses)
		for _, personal := range []string{"Lovelace", "xample.org", "7946", "St James", "SW1Y"} {
			require.NotContains(t, text, personal)
		}
	})
}

func TestOperatorsListCustomersByIDOrEmail(t *testing.T) {
	atDesk(t, func(t *testing.T, d *desk) {
		for i := range 5 {
			body := fmt.Sprintf(`{"id":"c%d","name":"N","email":"%s@example.org"}`, i, []string{"even", "odd"}[i%2])
			is[customersapi.Customer](d.ask(operator, http.MethodPost, "/v1/customers", body), http.StatusCreated)
		}
		ids := func(target string) (ids []string, next string) {
			page := is[web.Page[customersapi.Customer]](d.ask(operator, http.MethodGet, target, ""), http.StatusOK)
			for _, c := range page.Data {
				ids = append(ids, c.ID)
			}
			if page.HasMore {
				next = *page.NextCursor
			}
			return ids, next
		}
		first, next := ids("/v1/customers?limit=3")
		require.Equal(t, []string{"c0", "c1", "c2"}, first)
		rest, next := ids("/v1/customers?limit=3&after=" + next)
		require.Equal(t, []string{"c3", "c4"}, rest)
		require.Empty(t, next)
		odd, _ := ids("/v1/customers?email=ODD@example.org")
		require.Equal(t, []string{"c1", "c3"}, odd)
		none, _ := ids("/v1/customers?email=o%25@example.org")
		require.Empty(t, none)
		d.ask(operator, http.MethodGet, "/v1/customers?after=x", "").problem(http.StatusUnprocessableEntity, "invalid_cursor")
	})
}

func TestCustomersAreToldToThoseWhoActForThem(t *testing.T) {
	atDesk(t, func(t *testing.T, d *desk) {
		c := d.adaRegistered()
		is[customersapi.Customer](d.ask(operator, http.MethodPost, "/v1/customers", `{"id":"cus_bob","name":"Bob","email":"bob@example.org"}`), http.StatusCreated)
		asked := []string{c.ID, "cus_bob", "nobody"}
		for who, want := range map[auth.Principal]int{operator: 2, service: 2, ada: 1, {}: 0} {
			found, err := d.Customers(auth.With(t.Context(), who), asked)
			require.NoError(t, err)
			require.Len(t, found, want, who)
		}
		found, err := d.Customers(authtest.Context(t.Context(), c.ID), asked)
		require.NoError(t, err)
		require.Equal(t, []customersapi.Customer{c}, found)
	})
}
