package main

import (
	"errors"

	"github.com/spf13/pflag"
)

// engineFlags say which engine is meant, and where its containers are wired.
type engineFlags struct {
	host    string
	context string
	netns   string

	collector   string // the program or image that is brought to an engine elsewhere
	noCollector bool   // bring none
}

func (f *engineFlags) add(fl *pflag.FlagSet) {
	fl.StringVarP(&f.host, "host", "H", "", "the engine: unix:///PATH, tcp://ADDRESS:PORT or ssh://USER@HOST (default: DOCKER_HOST, else the context)")
	fl.StringVar(&f.context, "context", "", "the docker context that names the engine (default: DOCKER_CONTEXT, else the current one)")
	fl.StringVar(&f.netns, "netns", "", "the network namespace the engine runs in, as a path (default: the engine's, where it can be found)")
	fl.StringVar(&f.collector, "collector", "", "bring a collector to the engine, made of this program or image (default: of this program, if the engine is elsewhere)")
	fl.BoolVar(&f.noCollector, "no-collector", false, "bring no collector to an engine that is elsewhere: refuse it")
}

// check refuses what contradicts itself.
func (f *engineFlags) check() error {
	switch {
	case f.collector != "" && f.noCollector:
		return errors.New("--collector and --no-collector: choose one")
	case f.collector != "" && f.netns != "":
		return errors.New("--collector and --netns: choose one; a collector is where the engine is")
	}
	return nil
}
