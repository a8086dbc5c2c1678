package inventoryapi

// SKUPattern is what a SKU looks like: 1 to 64 of these characters.
const SKUPattern = `^[A-Za-z0-9][A-Za-z0-9._-]*$`

// MaxSKU is the length of the longest SKU.
const MaxSKU = 64

// ValidSKU reports whether s can be a SKU.
func ValidSKU(s string) bool {
	if s == "" || len(s) > MaxSKU {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		case i > 0 && (c == '.' || c == '_' || c == '-'):
		default:
			return false
		}
	}
	return true
}
