package pages

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Large asks for large pages under memory that was not touched yet. A table of
// tens of megabytes that is read at random needs a page walk for nearly every
// read otherwise. The system may refuse, which changes nothing but the speed:
// /sys/kernel/mm/transparent_hugepage/enabled says never then (Linux,
// Documentation/admin-guide/mm/transhuge.rst).
func Large(memory []byte) {
	if len(memory) == 0 {
		return
	}
	size := uintptr(unix.Getpagesize())
	begin := uintptr(unsafe.Pointer(unsafe.SliceData(memory)))
	skip := (size - begin%size) % size
	if whole := (uintptr(len(memory)) - min(skip, uintptr(len(memory)))) / size * size; whole > 0 {
		_ = unix.Madvise(memory[skip:skip+whole], unix.MADV_HUGEPAGE)
	}
}
