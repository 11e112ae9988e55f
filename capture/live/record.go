package live

import (
	"encoding/json"
	"time"

	"dnatrace/capture"
)

// meta makes a record about the stream itself.
func meta(at int64, kind string, content any) capture.Record {
	return record(at, capture.OriginMeta, kind, "", content)
}

// record makes a record of JSON content. The types that get here always
// marshal.
func record(at int64, origin, kind, netns string, content any) capture.Record {
	data, err := json.Marshal(content)
	if err != nil {
		panic("live: marshal " + kind + ": " + err.Error())
	}
	return capture.Record{Time: at, Origin: origin, Kind: kind, Netns: netns, Data: data}
}

func stamp(records []capture.Record) {
	now := time.Now().UnixNano()
	for i := range records {
		records[i].Time = now
	}
}
