package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// containers writes what docker inspect would tell of so many, each with a port of its
// own, and a capture of requests to some of them.
func containers(t *testing.T, n int) (folder string) {
	t.Helper()
	type m map[string]any
	var all []m
	for i := range n {
		port := fmt.Sprint(1024 + i)
		binding := m{"80/tcp": []m{{"HostIp": "0.0.0.0", "HostPort": port}}}
		all = append(all, m{
			"Id": fmt.Sprintf("%064x", i), "Name": fmt.Sprintf("/web-%d", i), "State": m{"Status": "running", "Running": true, "Pid": 1000 + i},
			"Config":          m{"Image": "x", "ExposedPorts": m{"80/tcp": m{}}, "Labels": m{"com.docker.compose.project": fmt.Sprintf("p%d", i%100), "com.docker.compose.service": fmt.Sprintf("s%d", i)}},
			"HostConfig":      m{"NetworkMode": "shop", "PortBindings": binding},
			"NetworkSettings": m{"Ports": binding, "Networks": m{"shop": m{"IPAddress": fmt.Sprintf("172.18.%d.%d", i>>8, i&255)}}},
		})
	}
	b, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	folder = t.TempDir()
	for name, b := range map[string][]byte{"inspect.json": b, "eth0.pcap": pcap(syn(), syn())} {
		if err := os.WriteFile(filepath.Join(folder, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// TestManyContainersCostInProportion: four times as many cost far less than sixteen
// times as much. CPU time is measured, which other programs do not add to.
func TestManyContainersCostInProportion(t *testing.T) {
	if testing.Short() {
		t.Skip("measures")
	}
	few, many := containers(t, 3000), containers(t, 12000)
	out := filepath.Join(t.TempDir(), "out.pcapng")
	for _, c := range [][]string{{"replay"}, {"topology", "--from"}, {"redact", "-w", out}} {
		a, b := cpuOf(t, append(c, few)...), cpuOf(t, append(c, many)...)
		if b > 9*a {
			t.Errorf("%v of 3,000 containers takes %v of CPU time, of 12,000 %v", c, a, b)
		}
		t.Logf("%v: %v, %v", c, a, b)
	}
}

// cpuOf is what the program takes, at best of two.
func cpuOf(t *testing.T, args ...string) (least time.Duration) {
	t.Helper()
	for range 2 {
		before := cpu(t)
		if _, errs, code := dnatrace(args...); code == exitTrouble {
			t.Fatal(errs)
		}
		if took := cpu(t) - before; least == 0 || took < least {
			least = took
		}
	}
	return least
}

func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
