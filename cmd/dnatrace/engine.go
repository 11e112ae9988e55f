package main

import "github.com/spf13/pflag"

// engineFlags say which engine is meant, and where its containers are wired.
type engineFlags struct {
	host    string
	context string
	netns   string
}

func (f *engineFlags) add(fl *pflag.FlagSet) {
	fl.StringVarP(&f.host, "host", "H", "", "the engine: unix:///PATH, tcp://ADDRESS:PORT or ssh://USER@HOST (default: DOCKER_HOST, else the context)")
	fl.StringVar(&f.context, "context", "", "the docker context that names the engine (default: DOCKER_CONTEXT, else the current one)")
	fl.StringVar(&f.netns, "netns", "", "the network namespace the engine runs in, as a path (default: the engine's, where it can be found)")
}
