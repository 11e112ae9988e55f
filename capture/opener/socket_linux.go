package opener

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// send writes one message, with a file if there is one.
func send(conn *net.UnixConn, v any, data []byte, f *os.File) error {
	prefix, body, err := encode(v, data)
	if err != nil {
		return err
	}
	if err := sendPrefix(conn, prefix, f); err != nil {
		return err
	}
	_, err = conn.Write(body)
	return err
}

// sendPrefix passes the file by way of its raw connection: File.Fd would make it
// blocking for whoever gets it.
func sendPrefix(conn *net.UnixConn, prefix []byte, f *os.File) error {
	if f == nil {
		_, err := conn.Write(prefix)
		return err
	}
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		_, _, failed = conn.WriteMsgUnix(prefix, unix.UnixRights(int(fd)), nil)
	})
	return errors.Join(err, failed)
}

// receive reads one message. io.EOF means that the other end closed between
// messages.
func receive(conn *net.UnixConn, limit uint32) (body, data []byte, f *os.File, err error) {
	prefix := make([]byte, prefixSize)
	f, err = receivePrefix(conn, prefix)
	if err != nil {
		return nil, nil, nil, err
	}
	b, d, err := lengths(prefix, limit)
	if err == nil {
		body = make([]byte, b+d)
		_, err = io.ReadFull(conn, body)
	}
	if err != nil {
		if f != nil {
			f.Close()
		}
		return nil, nil, nil, fmt.Errorf("read message: %w", err)
	}
	return body[:b:b], body[b:], f, nil
}

func receivePrefix(conn *net.UnixConn, prefix []byte) (*os.File, error) {
	oob := make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := conn.ReadMsgUnix(prefix, oob)
	if errors.Is(err, io.EOF) {
		return nil, io.EOF // bare, as callers of a reader expect
	}
	if err != nil {
		return nil, err
	}
	f, err := fileOf(oob[:oobn])
	if err == nil && n < len(prefix) {
		if _, err = io.ReadFull(conn, prefix[n:]); err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
	}
	if err != nil && f != nil {
		f.Close()
		f = nil
	}
	return f, err
}

// fileOf returns the file in a control message, if there is one.
func fileOf(oob []byte) (*os.File, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(msgs) == 0 {
		return nil, errors.Join(errors.New("no control message"), err)
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil || len(fds) == 0 {
		return nil, errors.Join(errors.New("no file in the control message"), err)
	}
	for _, fd := range fds[1:] { // padding leaves room for one that nobody asked for
		unix.Close(fd)
	}
	return os.NewFile(uintptr(fds[0]), "opened"), nil
}
