package main

import (
	"os"
	"reflect"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// The reference is written by hand, so that it reads well; this keeps it complete.
func TestTheReferenceNamesEverySetting(t *testing.T) {
	b, err := os.ReadFile("../../docs/reference/configuration.md")
	require.NoError(t, err)
	reference := string(b)
	for _, f := range reflect.VisibleFields(reflect.TypeFor[settings]()) {
		require.Contains(t, reference, "`"+f.Tag.Get("env")+"`")
		if flag := f.Tag.Get("flag"); flag != "" {
			require.Contains(t, reference, "`--"+flag+"`")
		}
		if def := f.Tag.Get("envDefault"); def != "" {
			require.Contains(t, reference, "`"+def+"`", "the default of "+f.Tag.Get("env"))
		}
	}
	for _, name := range databaseNames() {
		require.Regexp(t, "`"+regexp.MustCompile(`SHOP_(.*)_DATABASE_URL`).FindStringSubmatch(databaseVariable(name))[1]+"`", reference)
	}
}
