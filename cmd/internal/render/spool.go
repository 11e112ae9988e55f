package render

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"
)

// spool holds encoded values under numbers until they are written in order of
// their numbers. Of those put in under one number the last counts. What does not
// fit into its memory goes to a file, so that the values, however many, take no
// more than that.
type spool struct {
	values, places tape
	most           uint64 // the highest number put in
	copied         []byte
}

// place says where the value of a number is: number, offset and length, 8, 8 and
// 4 bytes.
const placeSize = 20

func newSpool(overflow func() (*os.File, error)) *spool {
	return &spool{
		values: tape{room: spoolRoom, overflow: overflow},
		places: tape{room: spoolRoom / 4, overflow: overflow},
	}
}

// spoolRoom is how many bytes of values stay in memory.
const spoolRoom = 8 << 20

// put takes a value.
func (s *spool) put(number uint64, value []byte) error {
	var place [placeSize]byte
	binary.LittleEndian.PutUint64(place[:], number)
	binary.LittleEndian.PutUint64(place[8:], uint64(s.values.size))
	binary.LittleEndian.PutUint32(place[16:], uint32(len(value)))
	s.most = max(s.most, number)
	if err := s.values.append(value); err != nil {
		return err
	}
	return s.places.append(place[:])
}

// window is how many numbers are put in order at once.
const window = 1 << 18

// each calls f with every value in order of the numbers. A value is valid until
// the next.
func (s *spool) each(f func(value []byte) error) error {
	if s.places.size == 0 {
		return nil
	}
	var err error
	for from := uint64(0); from <= s.most && err == nil; {
		from, err = s.eachOf(from, f)
	}
	return err
}

// found is a value's place; of length 0 is none.
type found struct {
	offset int64
	length uint32
}

// eachOf is each for the numbers of one window. It returns the first number
// behind it, beyond all if there is none.
func (s *spool) eachOf(from uint64, f func(value []byte) error) (next uint64, err error) {
	places := make([]found, min(window, s.most-from+1))
	next = s.most + 1
	err = s.places.read(placeSize, func(p []byte) {
		switch n := binary.LittleEndian.Uint64(p); {
		case n < from:
		case n-from < uint64(len(places)):
			places[n-from] = found{int64(binary.LittleEndian.Uint64(p[8:])), binary.LittleEndian.Uint32(p[16:])}
		default:
			next = min(next, n)
		}
	})
	if err != nil {
		return next, err
	}
	for _, p := range places {
		if p.length == 0 {
			continue
		}
		s.copied = slices.Grow(s.copied[:0], int(p.length))[:p.length]
		if err := s.values.readAt(s.copied, p.offset); err != nil {
			return next, err
		}
		if err := f(s.copied); err != nil {
			return next, err
		}
	}
	return next, nil
}

// empty forgets everything.
func (s *spool) empty() {
	s.close()
	*s = *newSpool(s.values.overflow)
}

// close gives the files back.
func (s *spool) close() {
	s.values.close()
	s.places.close()
}

// tape is bytes that are added to at the end: in memory as long as there is
// room, then in a file.
type tape struct {
	room     int
	overflow func() (*os.File, error) // opens an empty file; nil: all stays in memory
	file     *os.File
	written  int64  // bytes in file
	buffer   []byte // what is not in file
	size     int64
}

func (t *tape) append(b []byte) error {
	if t.overflow != nil && len(t.buffer)+len(b) > t.room && len(t.buffer) > 0 {
		if err := t.flush(); err != nil {
			return err
		}
	}
	t.buffer = append(t.buffer, b...)
	t.size += int64(len(b))
	return nil
}

func (t *tape) flush() error {
	if t.file == nil {
		file, err := t.overflow()
		if err != nil {
			return fmt.Errorf("hold the result: %w", err)
		}
		t.file = file
		t.room = min(t.room, 1<<20) // it is only written in pieces from now on
	}
	if _, err := t.file.WriteAt(t.buffer, t.written); err != nil {
		return fmt.Errorf("hold the result: %w", err)
	}
	t.written += int64(len(t.buffer))
	t.buffer = t.buffer[:0]
	return nil
}

// readAt fills b from offset on, which lies as a whole in the file or in memory.
func (t *tape) readAt(b []byte, offset int64) error {
	if offset >= t.written {
		copy(b, t.buffer[offset-t.written:])
		return nil
	}
	if _, err := t.file.ReadAt(b, offset); err != nil {
		return fmt.Errorf("read the result that was held: %w", err)
	}
	return nil
}

// read calls f with all of the tape, in pieces of a size.
func (t *tape) read(size int, f func([]byte)) error {
	if t.file != nil {
		piece := make([]byte, size*4096)
		r := io.NewSectionReader(t.file, 0, t.written)
		for {
			n, err := io.ReadFull(r, piece)
			for i := 0; i+size <= n; i += size {
				f(piece[i : i+size])
			}
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				break
			}
			if err != nil {
				return fmt.Errorf("read the result that was held: %w", err)
			}
		}
	}
	for i := 0; i+size <= len(t.buffer); i += size {
		f(t.buffer[i : i+size])
	}
	return nil
}

func (t *tape) close() {
	if t.file != nil {
		t.file.Close()
	}
}
