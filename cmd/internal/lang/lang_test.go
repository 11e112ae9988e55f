package lang

import (
	"fmt"
	"strings"
	"testing"
)

func TestEveryFormIsWhole(t *testing.T) {
	if _, err := read(source); err != nil {
		t.Error(err)
	}
}

func TestWhatIsWrongInAFormIsFound(t *testing.T) {
	for _, c := range []struct{ what, entry, want string }{
		{"an argument is missing", "%s is in %s\n\t%s 在其中", "1 of 2 arguments"},
		{"one too many", "%s is down\n\t%s 的 %s", "argument 2 of 1"},
		{"in another order, without saying so", "%d packets at %s\n\t%s 处 %d 个报文", "argument 1, which is %d, as %s"},
		{"an index beyond the last", "%s is down\n\t%[2]s", "argument 2 of 1"},
		{"no translation", "%s is down\n\n%s is up\n\t%s 已启用", "no translation"},
		{"the same twice", "It is down\n\t已停用\nit is down.\n\t已停用", "there twice"},
	} {
		if _, err := read(c.entry); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.what, err, c.want)
		}
	}
	if _, err := read("%d packets at %s\n\t%[2]s 处 %[1]d 个报文"); err != nil {
		t.Errorf("another order that is said: %v", err)
	}
}

// examples are what is filled in: one for each kind of verb.
func examples(f *form) (args []any) {
	for _, p := range f.parts {
		switch p.verb {
		case 0:
		case 'd':
			args = append(args, 80+len(args))
		case 'f':
			args = append(args, 1.5)
		case 't':
		default:
			switch p.kind {
			case 't', 'm':
				args = append(args, "the client reset the connection before it was established, as health checks and scans do")
			case 'w':
				args = append(args, "reset")
			default:
				args = append(args, fmt.Sprintf("web%d", len(args)))
			}
		}
	}
	return args
}

// Each sentence is known again by the form it was made by, and what was filled in is
// where it belongs.
func TestEverySentenceIsKnownAgain(t *testing.T) {
	c := catalogue()
	for _, f := range c.order {
		args := examples(f)
		english := fmt.Sprintf(trimmed(f.english), args...)
		if got, want := c.sentence(english), c.say(f.english, args); got != want {
			t.Errorf("%q\n got %q\nwant %q", english, got, want)
		}
	}
}

func TestSentencesInChinese(t *testing.T) {
	for _, c := range []struct{ english, want string }{
		{"A rule of yours in ip filter DOCKER-USER drops it: -A DOCKER-USER -j DROP. It acts after translation, so it meets the container's port (80), not the published one (8080).",
			"ip filter DOCKER-USER 中您的一条规则丢弃了它：-A DOCKER-USER -j DROP。它在地址转换之后起作用，所以匹配的是容器的端口（80），而不是发布的端口（8080）。"},
		{"A policy of fail2ban's in inet a in drops it: policy drop;.", "inet a in 中 fail2ban 的一条默认策略丢弃了它：policy drop;。"},
		{"in FORWARD, by a rule of yours", "在 FORWARD 中，依据您的一条规则"},
		{"What became of the request cannot be told: the sockets of web are not in evidence; 3 packets were lost at eth0 meanwhile.", "无法判断请求的结果：web 的套接字没有证据；其间在 eth0 丢失了 3 个报文。"},
		{"the routes of the host (IPv4) are not in evidence", "主机（IPv4）的路由没有证据"},
		{"iptables -t filter -D DOCKER-USER -j DROP", "iptables -t filter -D DOCKER-USER -j DROP"},
		{"nobody has ever said this", "nobody has ever said this"},
		{"", ""},
	} {
		if got := Chinese.Sentence(c.english); got != c.want {
			t.Errorf("%q\n got %q\nwant %q", c.english, got, c.want)
		}
		if got := English.Sentence(c.english); got != c.english {
			t.Errorf("in English: %q", got)
		}
	}
}

// Names and rules are a stranger's: whatever they are, reading a sentence ends, and they
// stay as they are.
func TestHostileNamesAreNotRead(t *testing.T) {
	for _, name := range []string{"reset", "drops", "a rule of yours", "%s%d%[9]t", strings.Repeat("in in ", 2000), strings.Repeat(": ", 2000), strings.Repeat("web, ", 3000)} {
		got := Chinese.Sentence("docker-proxy's own connection to " + name + " was reset")
		if want := "docker-proxy 自己到 " + name + " 的连接被重置"; got != want {
			t.Errorf("got %.200q, want %.200q", got, want)
		}
		Chinese.Sentence(name)
	}
}

func TestLanguageOfTheLocale(t *testing.T) {
	for _, c := range []struct {
		what string
		env  map[string]string
		want Language
	}{
		{"none", nil, English},
		{"Chinese", map[string]string{"LANG": "zh_CN.UTF-8"}, Chinese},
		{"of Taiwan", map[string]string{"LANG": "zh_TW.utf8"}, Chinese},
		{"of another coding", map[string]string{"LANG": "zh_CN.GB18030"}, English},
		{"German", map[string]string{"LANG": "de_DE.UTF-8"}, English},
		{"LC_ALL says more", map[string]string{"LC_ALL": "C.UTF-8", "LANG": "zh_CN.UTF-8"}, English},
		{"LC_MESSAGES says more than LANG", map[string]string{"LC_MESSAGES": "zh_CN.UTF-8", "LANG": "C"}, Chinese},
	} {
		if got := Detect(func(name string) string { return c.env[name] }); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
	for s, want := range map[string]Language{"zh": Chinese, "zh-Hans": Chinese, "ZH_cn": Chinese, "en": English, "en_GB.UTF-8": English} {
		if got, err := Parse(s); err != nil || got != want {
			t.Errorf("%q: %q, %v", s, got, err)
		}
	}
	if _, err := Parse("klingon"); err == nil {
		t.Error("a language that is none of ours is taken")
	}
}
