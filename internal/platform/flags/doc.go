// Package flags decides, while the program runs, for whom something is on. It is asked through OpenFeature (https://openfeature.dev), so that what asks does not depend on where
// the flags are; here they are in a file:
//
//	{
//	  "route.catalog": {"percent": 10, "allow": ["cus_01jd3q6k9v8xw2n4t7ryz5abcd"], "deny": [], "kill": false, "mirror": true, "fallback": true, "ignore": ["updated_at"]}
//	}
//
// A flag is a rollout: whoever is asked about has a key (their own id, or that of their order), and the flag is on for a share of the keys. Which keys these are depends on
// nothing but the name of the flag and the key: on every machine and after every restart the same are among them, and a larger share holds all of a smaller one.
//
//	flags.go     asking: Open, Decide
//	rollout.go   what a flag says of a key
//	file.go      the file, read again when it changes: the provider of OpenFeature
//	parse.go     what may stand in it
package flags
