package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// sizeFlag is a number of bytes, as tcpdump's -C has it: a plain number is millions;
// with k, m or g behind it, it counts in 1024, 1024² or 1024³. KiB, MiB, GiB and kB, MB,
// GB are what they say. It is never negative.
type sizeFlag int64

func (s *sizeFlag) String() string {
	if *s == 0 {
		return ""
	}
	return bytesText(float64(*s))
}

func (*sizeFlag) Type() string { return "size" }

func (s *sizeFlag) Set(text string) error {
	number := strings.TrimRight(text, "bBiIkKmMgG")
	unit, known := sizeUnits[strings.ToLower(text[len(number):])]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !known || !(n > 0) || n*unit > math.MaxInt64/2 { // not "nan" either
		return fmt.Errorf("parse size: %q is none (such as 100 for millions of bytes, 500k or 64MiB)", text)
	}
	*s = sizeFlag(n * unit)
	return nil
}

var sizeUnits = map[string]float64{
	"": 1e6, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "kb": 1e3, "mb": 1e6, "gb": 1e9,
}
