package decode

// Attributes of tables, chains, objects and flowtables
// (linux/netfilter/nf_tables.h).
const (
	nftaTableName   = 1
	nftaTableFlags  = 2
	nftaTableHandle = 4
	nftaTableOwner  = 7

	nftTableDormant = 0x1

	nftaChainTable    = 1
	nftaChainHandle   = 2
	nftaChainName     = 3
	nftaChainHook     = 4
	nftaChainPolicy   = 5
	nftaChainType     = 7
	nftaChainCounters = 8

	nftaHookNum      = 1
	nftaHookPriority = 2
	nftaHookDev      = 3
	nftaHookDevs     = 4

	nftaCounterBytes   = 1
	nftaCounterPackets = 2

	nftaObjTable = 1
	nftaObjName  = 2
	nftaObjType  = 3

	nftaFlowtableTable = 1
	nftaFlowtableName  = 2
	nftaFlowtableHook  = 3

	nftaFlowtableHookDevs = 3
)

func (p *nftParser) table(m message, f Family) error {
	a, err := m.index(m.body)
	if err != nil {
		return err
	}
	t := Table{
		Family:  f,
		Name:    a.string(nftaTableName),
		Handle:  a.uint64(nftaTableHandle),
		Dormant: a.flag(nftaTableFlags, nftTableDormant),
		Owner:   a.uint32(nftaTableOwner),
	}
	if t.Name == "" {
		return errNoName
	}
	p.rules.Tables = append(p.rules.Tables, t)
	return a.bad
}

func (p *nftParser) chain(m message, f Family) error {
	a, err := m.index(m.body)
	if err != nil {
		return err
	}
	c := Chain{
		Family: f,
		Table:  a.string(nftaChainTable),
		Name:   a.string(nftaChainName),
		Handle: a.uint64(nftaChainHandle),
	}
	if c.Name == "" || c.Table == "" {
		return errNoName
	}
	if a.has(nftaChainHook) {
		a.base(&c)
	}
	p.rules.Chains = append(p.rules.Chains, c)
	return a.bad
}

func (a *attrs) base(c *Chain) {
	hook := a.nest(nftaChainHook)
	c.Base = true
	c.Type = a.string(nftaChainType)
	c.Hook = hook.uint32(nftaHookNum)
	c.Priority = int32(hook.uint32(nftaHookPriority))
	c.Drop = a.has(nftaChainPolicy) && a.uint32(nftaChainPolicy) == 0 // NF_DROP
	c.Devices = hook.devices(nftaHookDevs)
	if dev := hook.string(nftaHookDev); dev != "" && len(c.Devices) == 0 {
		c.Devices = []string{dev}
	}
	if a.has(nftaChainCounters) {
		n := a.nest(nftaChainCounters)
		c.Counter = n.counter()
		a.bad = firstOf(a.bad, n.bad)
	}
	a.bad = firstOf(a.bad, hook.bad)
}

func (a *attrs) counter() *Counter {
	return &Counter{Packets: a.uint64(nftaCounterPackets), Bytes: a.uint64(nftaCounterBytes)}
}

// devices reads a list of interface names (NFTA_DEVICE_NAME).
func (a *attrs) devices(kind int) []string {
	var names []string
	err := a.list(kind, func(v []byte) error {
		names = append(names, text(v))
		return nil
	})
	a.bad = firstOf(a.bad, err)
	return names
}

func (p *nftParser) object(m message, f Family) error {
	a, err := m.index(m.body)
	if err != nil {
		return err
	}
	p.rules.Objects = append(p.rules.Objects, Object{
		Family: f,
		Table:  a.string(nftaObjTable),
		Name:   a.string(nftaObjName),
		Type:   a.uint32(nftaObjType),
	})
	return a.bad
}

func (p *nftParser) flowtable(m message, f Family) error {
	a, err := m.index(m.body)
	if err != nil {
		return err
	}
	hook := a.nest(nftaFlowtableHook)
	p.rules.Flowtables = append(p.rules.Flowtables, Flowtable{
		Family:  f,
		Table:   a.string(nftaFlowtableTable),
		Name:    a.string(nftaFlowtableName),
		Devices: hook.devices(nftaFlowtableHookDevs),
	})
	return firstOf(a.bad, hook.bad)
}
