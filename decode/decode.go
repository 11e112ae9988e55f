// Package decode turns the bytes that capture hands over into what they say:
// frames into Packets, control records into Events. It does no I/O, reads no
// clock, starts no goroutine and builds on any OS. It must not import
// correlate, cmd, or anything that opens a socket.
package decode
