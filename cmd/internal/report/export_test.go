package report

// Ground is the colour of the page, for tests.
func Ground(dark bool) string {
	if dark {
		return palette[0].dark
	}
	return palette[0].light
}

// What tests of other languages look at.
var (
	EachPiece = eachPiece
	Asset     = asset
)
