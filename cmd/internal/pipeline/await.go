package pipeline

import "context"

// Await calls f and returns when it has, or with the error of ctx when that ends
// before: f is left to itself then, as it may wait for somebody who never comes.
func Await(ctx context.Context, f func()) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
