package netfilter

// IPSetIndex asks for the number of a set.
var IPSetIndex = ipsetIndex
