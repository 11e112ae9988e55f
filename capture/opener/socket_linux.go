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
	return receiveFrom(conn, limit, 0)
}

// receiveFrom reads one message, which must come from that process; 0 is any.
func receiveFrom(conn *net.UnixConn, limit uint32, pid int32) (body, data []byte, f *os.File, err error) {
	prefix := make([]byte, prefixSize)
	f, err = receivePrefix(conn, prefix, pid)
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

func receivePrefix(conn *net.UnixConn, prefix []byte, pid int32) (*os.File, error) {
	oob := make([]byte, unix.CmsgSpace(4)+unix.CmsgSpace(unix.SizeofUcred))
	n, oobn, _, _, err := conn.ReadMsgUnix(prefix, oob)
	if errors.Is(err, io.EOF) || err == nil && n == 0 {
		return nil, io.EOF // bare, as callers of a reader expect
	}
	if err != nil {
		return nil, err
	}
	f, sender, err := besides(oob[:oobn])
	if err == nil && pid != 0 && sender != pid {
		err = fmt.Errorf("it comes from process %d, not from %d, which started this one", sender, pid)
	}
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

// besides returns the file in what came along with a message, if there is one, and
// which process sent it, 0 where nobody asked the kernel to say.
func besides(oob []byte) (f *os.File, sender int32, err error) {
	if len(oob) == 0 {
		return nil, 0, nil
	}
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(msgs) == 0 {
		return nil, 0, errors.Join(errors.New("no control message"), err)
	}
	for i := range msgs {
		if msgs[i].Header.Type == unix.SCM_CREDENTIALS {
			who, err := unix.ParseUnixCredentials(&msgs[i])
			if err != nil {
				return f, 0, err
			}
			sender = who.Pid
			continue
		}
		fds, err := unix.ParseUnixRights(&msgs[i])
		if err != nil || len(fds) == 0 {
			return f, sender, errors.Join(errors.New("no file in the control message"), err)
		}
		rest := fds[1:]
		if f != nil {
			rest = fds
		} else {
			f = os.NewFile(uintptr(fds[0]), "opened")
		}
		for _, fd := range rest { // padding leaves room for one that nobody asked for
			unix.Close(fd)
		}
	}
	return f, sender, nil
}
