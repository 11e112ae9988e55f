package redact

import (
	"testing"

	"dnatrace/decode"
)

// TestEveryExpressionHasASchema: of an expression without one nothing is kept, and
// what is judged by it would be judged otherwise.
func TestEveryExpressionHasASchema(t *testing.T) {
	names := decode.ExprNames()
	if len(names) < 25 {
		t.Fatalf("only %d expressions are read: %v", len(names), names)
	}
	for _, name := range names {
		if expressionSchemas[name] == nil {
			t.Errorf("decode reads %s, and redact does not know its attributes", name)
		}
	}
}
