package program

import (
	"math/rand/v2"
	"strings"
)

// primitives are tests without and, or, not.
var primitives = strings.Split(strings.TrimSpace(`
host 198.51.100.1
host 172.17.0.2
src host 198.51.100.100
dst host 203.0.113.9
src 172.17.0.2
dst 198.51.100.1
src or dst 10.1.2.3
dst or src host 10.1.2.3
src and dst host 198.51.100.1
dst and src 172.17.0.2
ip host 198.51.100.100
ip src 10.1.2.3
arp host 172.17.0.2
arp src host 198.51.100.1
arp dst 10.1.2.3
rarp host 172.18.0.3
host 2001:db8::1
src 2001:db8::100
dst host 2001:db8:17::2
src and dst host fe80::1
ip6 host ::1
ip6 dst ff02::1
host 2001:db8::1/128
net 198.51.100.0/24
src net 172.16.0.0/12
dst net 172.17.0.0/16
net 172.17
net 10
net 10.1
net 172.18/16
net 10.1.2.3
net 203.0.113.0 mask 255.255.255.0
net 10.0.0.3 mask 255.0.0.255
src and dst net 198.51.100.0/25
net 128.0.0.0/1
net 0.0.0.0/0
ip net 198.51.0.0/16
arp net 172.17.0.0/16
net 2001:db8::/32
src net 2001:db8:17::/48
dst net fe80::/10
ip6 net 2001:db8::/65
ip6 src net 2000::/3
net ::/0
port 80
port 443
port 8080
port 50110
port 0x50
src port 80
dst port 443
src or dst port 53
dst or src port 53
src and dst port 80
tcp port 80
udp port 53
sctp port 80
tcp src port 8080
tcp dst port 80
udp src and dst port 53
udp src or dst port 443
portrange 80-443
portrange 443-80
portrange 8080-8081
portrange 0-65535
portrange 53
src portrange 1-1023
dst portrange 8000-9000
tcp portrange 80-90
udp dst portrange 50-60
sctp src portrange 80-8080
tcp
udp
sctp
icmp
icmp6
igmp
ip
ip6
arp
rarp
ah
esp
pim
vrrp
proto 6
proto 17
proto \udp
proto \sctp
ip proto 1
ip proto \tcp
ip proto 47
ip6 proto 17
ip6 proto 58
ip6 proto 0
ip6 proto 44
ether proto 0x800
ether proto \ip
ether proto \arp
ether proto \ip6
ether proto \rarp
ether proto 0x88cc
ether host 02:42:ac:11:00:02
ether src 02:42:0:0:0:1
ether dst ff:ff:ff:ff:ff:ff
ether src or dst 01:00:5e:00:00:fb
ether src and dst host 02:42:00:00:00:01
link host 02:42:00:00:00:01
ether host 02-42-ac-11-00-02
ether multicast
multicast
ip multicast
ip6 multicast
ether broadcast
broadcast
less 90
less 64
greater 100
greater 0x40
`), "\n")

// compounds are what people write, and what grammars stumble over.
var compounds = strings.Split(strings.TrimSpace(`
not tcp
! port 80
!port 80
not not port 80
port 80 or 443
port 80 or 443 or 8080
tcp port 80 or 443
port 80 or not 443
not port 80 or 443
port not 80
port !80
port (80 or 443)
port (80 or 443) and host 198.51.100.1
tcp port (80 or 443 and not 8080)
host (198.51.100.1 or 172.17.0.2)
host 198.51.100.1 or 172.17.0.2
host 198.51.100.1 and 172.17.0.2
host 198.51.100.1 and not 172.17.0.2
host 198.51.100.1 and (port 80 or 443) or 172.17.0.2
host 198.51.100.1 and not (172.17.0.2 or 10.1.2.3)
src host 198.51.100.1 or 172.17.0.2
src host 198.51.100.1 or dst 172.17.0.2
src 198.51.100.1 or dst 172.17.0.2
port 80 or (host 10.1.2.3) or 443
port 80 or (443 or 444) or 8080
port 80 or (443)
proto 6 or 17
ip proto 6 or 17
proto 6 and port 80 or 53
tcp and port 80 or 443
tcp and (port 80 or 443)
tcp or udp and port 53
udp or tcp and port 53
tcp and not port 80
tcp && !port 80 || udp
(tcp)
((tcp or udp) and not (port 80 or port 443))
not (tcp or udp)
not (host 198.51.100.1 and port 80)
ip and not icmp
icmp or icmp6
arp or icmp
not arp and not icmp
arp and host 172.17.0.2
host 172.17.0.2 and not arp
host 198.51.100.1 or host 2001:db8::1
host 198.51.100.1 or 2001:db8::1
net 172.17.0.0/16 or 172.18.0.0/16
net 10 or 172.17
src net 172.16.0.0/12 and dst port 50110
dst net 172.17.0.0/16 and tcp dst port 80
portrange 1-1023 or 8000-9000
portrange 1-1023 or 8080
less 100 and tcp
greater 60 and less 100
ether host 02:42:ac:11:00:02 or 02:42:00:00:00:01
ether host 02:42:ac:11:00:02 and host 172.17.0.2
ip6 and tcp port 80
ip6 proto 17 and port 53
port 80 and host 198.51.100.1 and not src 203.0.113.9
`), "\n")

// madeUp joins primitives at random, the same each time.
func madeUp(n int) (out []string) {
	rnd := rand.New(rand.NewPCG(3, 4))
	some := func() string { return primitives[rnd.IntN(len(primitives))] }
	for range n {
		e := some()
		for range 1 + rnd.IntN(4) {
			next := some()
			if rnd.IntN(4) == 0 {
				next = "not " + next
			}
			if rnd.IntN(4) == 0 {
				next = "(" + next + []string{" and ", " or "}[rnd.IntN(2)] + some() + ")"
			}
			if rnd.IntN(5) == 0 {
				e = "not (" + e + ")"
			}
			e += []string{" and ", " or ", " && ", " || "}[rnd.IntN(4)] + next
		}
		out = append(out, e)
	}
	return out
}

func expressions() []string {
	out := append(append([]string(nil), primitives...), compounds...)
	for _, p := range primitives {
		out = append(out, "not "+p)
	}
	return append(out, madeUp(300)...)
}
