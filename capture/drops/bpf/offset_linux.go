package bpf

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// offsets are places of fields in the running kernel's structures, in bytes.
type offsets struct {
	skbDev, skbSk, skbHead  int16 // struct sk_buff
	skbNetwork, skbProtocol int16
	devNet, devIndex        int16 // struct net_device: nd_net.net, ifindex
	sockNet                 int16 // struct sock: __sk_common.skc_net.net
	netInode                int16 // struct net: ns.inum
}

// kernel is what the running kernel says about itself.
type kernel struct {
	offsets
	reasons map[uint32]string // enum skb_drop_reason, without its prefix
}

// reasonPrefix begins the names of the reasons.
const reasonPrefix = "SKB_DROP_REASON_"

// inspect reads the kernel's own type information (BTF).
func inspect() (kernel, error) {
	var k kernel
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		return k, fmt.Errorf("read the kernel's type information (BTF): %w", errors.Join(ErrUnsupported, err))
	}
	if err := givesReason(spec); err != nil {
		return k, err
	}
	for _, f := range []struct {
		into   *int16
		strct  string
		fields []string
	}{
		{&k.skbDev, "sk_buff", []string{"dev"}},
		{&k.skbSk, "sk_buff", []string{"sk"}},
		{&k.skbHead, "sk_buff", []string{"head"}},
		{&k.skbNetwork, "sk_buff", []string{"network_header"}},
		{&k.skbProtocol, "sk_buff", []string{"protocol"}},
		{&k.devNet, "net_device", []string{"nd_net", "net"}},
		{&k.devIndex, "net_device", []string{"ifindex"}},
		{&k.sockNet, "sock", []string{"__sk_common", "skc_net", "net"}},
		{&k.netInode, "net", []string{"ns", "inum"}},
	} {
		if *f.into, err = offsetOf(spec, f.strct, f.fields); err != nil {
			return k, err
		}
	}
	k.reasons, err = reasonsOf(spec)
	return k, err
}

// givesReason says whether the tracepoint has the reason among its arguments
// (5.17 and later): void *, skb, location, reason.
func givesReason(spec *btf.Spec) error {
	var t *btf.Typedef
	if err := spec.TypeByName("btf_trace_kfree_skb", &t); err != nil {
		return fmt.Errorf("find the tracepoint kfree_skb: %w", errors.Join(ErrUnsupported, err))
	}
	p, ok := t.Type.(*btf.Pointer)
	if !ok {
		return fmt.Errorf("find the tracepoint kfree_skb: its type is %v: %w", t.Type, ErrUnsupported)
	}
	f, ok := p.Target.(*btf.FuncProto)
	if !ok || len(f.Params) < 4 {
		return fmt.Errorf("find the reason at the tracepoint kfree_skb: kernels before 5.17 have none: %w", ErrUnsupported)
	}
	return nil
}

// offsetOf follows fields, through unnamed structures and unions on the way.
func offsetOf(spec *btf.Spec, name string, fields []string) (int16, error) {
	var s *btf.Struct
	if err := spec.TypeByName(name, &s); err != nil {
		return 0, fmt.Errorf("find struct %s: %w", name, err)
	}
	var at btf.Bits
	var t btf.Type = s
	for _, f := range fields {
		off, next, ok := member(t, f)
		if !ok {
			return 0, fmt.Errorf("find %s in struct %s: %w", strings.Join(fields, "."), name, ErrUnsupported)
		}
		at, t = at+off, next
	}
	return int16(at / 8), nil
}

// member finds a field in t, or in what has no name within it.
func member(t btf.Type, name string) (btf.Bits, btf.Type, bool) {
	var members []btf.Member
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		members = t.Members
	case *btf.Union:
		members = t.Members
	}
	for _, m := range members {
		if m.Name == name {
			return m.Offset, m.Type, true
		}
		if m.Name != "" {
			continue
		}
		if off, next, ok := member(m.Type, name); ok {
			return m.Offset + off, next, true
		}
	}
	return 0, nil, false
}

// noisy are reasons of what is no drop: buffers that go with their socket, one or
// more for every connection that ends as it should, what was taken, and the copy of
// a packet that a capture had no room for, which comes when there is no time for it.
var noisy = []string{"CONSUMED", "QUEUE_PURGE", "PACKET_SOCK_ERROR"}

// noise are the numbers of the noisy reasons.
func (k *kernel) noise() []uint32 {
	var numbers []uint32
	for number, name := range k.reasons {
		if slices.Contains(noisy, name) {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers
}

func reasonsOf(spec *btf.Spec) (map[uint32]string, error) {
	var e *btf.Enum
	if err := spec.TypeByName("skb_drop_reason", &e); err != nil {
		return nil, fmt.Errorf("find the names of drop reasons: %w", errors.Join(ErrUnsupported, err))
	}
	names := make(map[uint32]string, len(e.Values))
	for _, v := range e.Values {
		names[uint32(v.Value)] = strings.TrimPrefix(v.Name, reasonPrefix)
	}
	return names, nil
}
