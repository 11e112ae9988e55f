//go:build !linux

package netns

import "os"

// Open is Linux only.
func Open(string) (*os.File, error) { return nil, ErrUnsupported }

// Inode is Linux only.
func Inode(string) (uint64, error) { return 0, ErrUnsupported }

// InodeOf is Linux only.
func InodeOf(*os.File) (uint64, error) { return 0, ErrUnsupported }

// Do is Linux only.
func Do(string, func() error) error { return ErrUnsupported }
