#!/bin/sh
# Takes the page's script from the npm package @scalar/api-reference. To move to another version, change it here and in
# docs.go, run this (or `go generate`) and open /docs.
set -eu
version=1.72.1
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm pack --silent "@scalar/api-reference@$version" >/dev/null
tar xzf scalar-api-reference-*.tgz
# The source map is not embedded, so its name goes too.
sed 's/[[:space:]]*\/\/# sourceMappingURL=.*$//' package/dist/browser/standalone.js | gzip -9nc >"$here/scalar.js.gz"
