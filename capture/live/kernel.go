package live

// Kernel names the running kernel, as uname -sr does ("Linux 6.12.1"); "" where
// there is none to watch.
func Kernel() string { return runningKernel() }
