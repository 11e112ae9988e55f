// Package correlate turns Events into Incidents: it joins the legs of a
// request across translation, keeps what was known about the host at the time,
// and decides what became of each request. It is as pure as decode: no I/O, no
// clock, no goroutine. It must not import cmd, nor anything of capture but its
// types.
package correlate
