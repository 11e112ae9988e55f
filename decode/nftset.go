package decode

// Attributes of sets and their elements (linux/netfilter/nf_tables.h).
const (
	nftaSetTable    = 1
	nftaSetName     = 2
	nftaSetFlags    = 3
	nftaSetKeyType  = 4
	nftaSetKeyLen   = 5
	nftaSetDataType = 6
	nftaSetDataLen  = 7
	nftaSetDesc     = 9
	nftaSetHandle   = 16

	nftaSetDescConcat = 2
	nftaSetFieldLen   = 1

	nftDataVerdict = 0xffffff00 // NFT_DATA_VERDICT

	nftaElemListTable    = 1
	nftaElemListSet      = 2
	nftaElemListElements = 3

	nftaElemKey        = 1
	nftaElemData       = 2
	nftaElemFlags      = 3
	nftaElemTimeout    = 4
	nftaElemExpiration = 5
	nftaElemUserdata   = 6
	nftaElemObjref     = 9
	nftaElemKeyEnd     = 10

	nftElemIntervalEnd = 0x1
	nftElemCatchAll    = 0x2

	nftUserdataComment = 0 // of rules and elements alike (libnftnl/udata.h)
)

func (p *nftParser) set(m message, f Family) error {
	a, err := m.index(m.body)
	if err != nil {
		return err
	}
	s := NamedSet{
		Family:   f,
		Table:    a.string(nftaSetTable),
		Name:     a.string(nftaSetName),
		Handle:   a.uint64(nftaSetHandle),
		Flags:    SetFlags(a.uint32(nftaSetFlags)),
		KeyType:  a.uint32(nftaSetKeyType),
		KeyLen:   a.length(nftaSetKeyLen),
		DataType: a.uint32(nftaSetDataType),
		DataLen:  a.length(nftaSetDataLen),
	}
	if s.Name == "" || s.Table == "" {
		return errNoName
	}
	if s.DataType == nftDataVerdict {
		s.Verdicts, s.DataType, s.DataLen = true, 0, 0
	}
	if s.FieldLens, err = a.concat(); err != nil {
		return err
	}
	p.sets[setKey{f, s.Table, s.Name}] = len(p.rules.Sets)
	p.rules.Sets = append(p.rules.Sets, s)
	return a.bad
}

// concat reads how long each part of a concatenated key is.
func (a *attrs) concat() (lens []int, err error) {
	desc := a.nest(nftaSetDesc)
	err = desc.list(nftaSetDescConcat, func(v []byte) error {
		field, err := a.index(v)
		if err == nil {
			lens = append(lens, field.length(nftaSetFieldLen))
		}
		return err
	})
	return lens, firstOf(err, desc.bad)
}

// elements adds the elements of one message to their set. A long list comes in
// several messages.
func (p *nftParser) elements(m message, f Family) error {
	a, err := m.index(m.body)
	if err != nil {
		return err
	}
	s := p.setOf(setKey{f, a.string(nftaElemListTable), a.string(nftaElemListSet)})
	if s == nil {
		p.rules.Skipped++
		return nil
	}
	err = a.list(nftaElemListElements, func(v []byte) error {
		e, err := m.element(v)
		if err == nil {
			s.Elements = append(s.Elements, e)
		}
		return err
	})
	return firstOf(err, a.bad)
}

// setOf finds a set, the latest one first, and notes that elements of it came.
func (p *nftParser) setOf(k setKey) *NamedSet {
	if i, ok := p.sets[k]; ok {
		delete(p.sets, k)
		return &p.rules.Sets[i]
	}
	for i := len(p.rules.Sets) - 1; i >= 0; i-- {
		if s := &p.rules.Sets[i]; s.Name == k.name && s.Table == k.table && s.Family == k.family {
			return s
		}
	}
	return nil
}

func (m message) element(b []byte) (e Element, err error) {
	a, err := m.index(b)
	if err != nil {
		return e, err
	}
	e = Element{
		Key:      a.data(nftaElemKey).Value,
		KeyEnd:   a.data(nftaElemKeyEnd).Value,
		Data:     a.data(nftaElemData),
		Object:   a.string(nftaElemObjref),
		End:      a.flag(nftaElemFlags, nftElemIntervalEnd),
		CatchAll: a.flag(nftaElemFlags, nftElemCatchAll),
		Expires:  a.has(nftaElemTimeout) || a.has(nftaElemExpiration),
		Comment:  comment(a.bytes(nftaElemUserdata)),
	}
	return e, a.bad
}

// comment finds the comment in userdata: type, length and value, a byte each
// for the first two (libnftnl/udata.h).
func comment(b []byte) string {
	for len(b) >= 2 && len(b) >= 2+int(b[1]) {
		if b[0] == nftUserdataComment {
			return text(b[2 : 2+int(b[1])])
		}
		b = b[2+int(b[1]):]
	}
	return ""
}
