// Package decode turns the bytes that capture hands over into what they say:
// frames into Packets, control records into Events. What is common is decoded by
// hand and without allocating; behind rare link layers gopacket finds the IP
// header. The package does no I/O, reads no clock, starts no goroutine and builds
// on any OS. It must not import correlate, cmd, or anything that opens a socket.
package decode
