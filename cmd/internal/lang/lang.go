// Package lang tells people in Chinese what the program says in English. It imports
// nothing of ours.
//
// Sentences are made in English, where what they say is decided, and so they stand in
// documents and recordings: a document is read in any language, whoever wrote it. The
// catalogue (zh.txt) has every form of them, with what it is in Chinese. Sentence finds
// the form that a sentence was made by, takes what was filled in out of it, and fills
// that into the other language's. Say does so for what is only shown, by the form itself.
//
// Words that programs read stay as they are, in both: verdicts, causes and stages as JSON
// has them, names, addresses, rules, commands.
package lang

import (
	"fmt"
	"strings"
)

// Language is that of sentences. The zero value is English.
type Language string

// The languages.
const (
	English Language = ""
	Chinese Language = "zh"
)

// Parse reads the value of --lang: "en", "zh", and what locales make of them
// ("zh_CN.UTF-8", "zh-Hans").
func Parse(s string) (Language, error) {
	switch name, _, _ := strings.Cut(strings.ReplaceAll(strings.ToLower(s), "_", "-"), "."); {
	case name == "zh", strings.HasPrefix(name, "zh-"):
		return Chinese, nil
	case name == "en", strings.HasPrefix(name, "en-"):
		return English, nil
	}
	return English, fmt.Errorf("parse language: %q is none of en, zh", s)
}

// Detect is the language of the locale, by LC_ALL, LC_MESSAGES and LANG in the order of
// POSIX.1 §8.2. A locale that is not of UTF-8 gets English.
func Detect(getenv func(string) string) Language {
	for _, name := range [...]string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		v := strings.ToLower(getenv(name))
		if v == "" {
			continue
		}
		if l, err := Parse(v); err == nil && (strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")) {
			return l
		}
		break
	}
	return English
}

// Sentence is what the program says in English, in the language. What is in no form of
// the catalogue stays in English.
func (l Language) Sentence(s string) string {
	if l == English || s == "" {
		return s
	}
	return catalogue().sentence(s)
}

// Sentences are several, in the language.
func (l Language) Sentences(all []string) []string {
	if l == English || len(all) == 0 {
		return all
	}
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = l.Sentence(s)
	}
	return out
}

// Say formats as Sprintf does, by the form that the format has in the language.
func (l Language) Say(format string, args ...any) string {
	if l == English {
		return fmt.Sprintf(format, args...)
	}
	return catalogue().say(format, args)
}
