package opener

// DropOption changes what Drop does.
type DropOption uint8

// KeepExec leaves programs that this process starts what its user would have:
// no_new_privs is not set and the bounding set stays.
const KeepExec DropOption = 1

// KeepFiles leaves it to this process to make files in directories of other users,
// and to give files to them: for recordings that are begun while it runs.
const KeepFiles DropOption = 2

// Missing is a privilege that this process does not have.
type Missing struct {
	Privilege string // "CAP_NET_RAW"
	Cost      string // what cannot be done without it, in a sentence without a full stop
	Remedy    string // what to do, in a sentence without a full stop
}
