package flight

import "fmt"

// staysFree is how much of a disk, in percent, is left to others.
const staysFree = 10

// spacious refuses to take so many bytes of a disk of which too little would stay
// free.
func spacious(dir string, bytes int64) error {
	free, all, err := room(dir)
	if err != nil {
		return err
	}
	if all > 0 && free < all/100*staysFree+uint64(bytes) {
		return fmt.Errorf("less than %d %% of the disk of %s would stay free", staysFree, dir)
	}
	return nil
}
