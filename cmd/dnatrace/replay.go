package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dnatrace/capture/inputs"
	"dnatrace/capture/pages"
	"dnatrace/capture/recording"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
	"dnatrace/correlate/judge"
)

// replayFlags are the command line of replay.
type replayFlags struct {
	outputFlags
	files   []inputs.Input
	targets []string
	window  durationFlag
	verbose bool
}

func (a *app) replayCommand() *cobra.Command {
	f := replayFlags{window: durationFlag(defaultWindow)}
	var points, read []string
	c := &cobra.Command{
		Use:   "replay FILE|FOLDER… [--target TARGET]… [--point NAME=FILE]…",
		Short: "Diagnose from recordings, or from anyone's captures and dumps",
		Long: `Diagnose from recordings, or from anyone's captures and dumps. Needs no privilege
and no Docker, on any OS. Files are known by their content; a folder stands for its
files, and so does an archive (tar, zip). gzip, zstd, xz, lz4 and bzip2 are undone:

  recordings of dnatrace, pcapng, pcap (tcpdump -i any, or one for each interface)
  what tcpdump printed (-n)                   headers, where no capture is left
  docker inspect, docker network inspect      containers, networks, mappings
  docker ps, docker port, compose files       containers and mappings, no addresses
  iptables-save, nft list ruleset (also -j)   rules; iptables -S, iptables -L -n -v
  ipset save, ipset list                      the sets that they refer to
  ip -d addr, route, neigh, rule; sysctl -a   what the kernel is set to do, as text or
                                              with -j; ifconfig, arp -an, route -n
  ss -lnp, netstat -lnp, conntrack -L and -E  who listens, what is translated

One file may hold what several commands printed, as a transcript of a terminal does,
with or without the commands. What is not known of it is named.

A capture of one interface was taken at the point that it names itself, or else
that its file is named after; --point NAME=FILE says better. Such a FILE is read
whether or not it is given again. Dumps are of the host, unless their addresses
are a container's, or --point CONTAINER=FILE says so; of a container's, all in
one folder are.

--verdict, --cause, --not-delivered, --since and --last say which requests are
printed, or listed with -o json. Summary, verdict and exit code stay those of all
requests.`,
		Example: `  dnatrace replay incident.pcapng
  dnatrace replay incident.pcapng -o json | jq '.requests[].why'
  dnatrace replay incident.pcapng --expect dropped:firewall-drop
  dnatrace replay incident.pcapng --expect-from expected.txt
  dnatrace replay eth0.pcap docker0.pcap --point web:eth0=inside.pcap
  dnatrace replay incident/ --target 8080,7000-7010/udp
  dnatrace replay incident.pcapng --verdict dropped,refused --since 14:05
  ssh host dnatrace record -w - | dnatrace replay -`,
		RunE: func(c *cobra.Command, args []string) (err error) {
			args = append(args, read...)
			if len(args)+len(points) == 0 {
				return usagef(c, "no file to replay")
			}
			if f.window == 0 {
				return usagef(c, "--window 0: must be longer than 0")
			}
			if f.files, err = namedFiles(c, args, points); err != nil {
				return err
			}
			if err = stdinAlone(c, f.files); err != nil {
				return err
			}
			if !c.Flags().Changed("window") {
				f.window = 0 // the recording's own
			}
			if err = f.choose(c); err != nil {
				return err
			}
			p := a.printer(f.outputFlags)
			d, err := a.replay(c.Context(), f, p)
			return a.conclude(p, d, f.outputFlags, err)
		},
	}
	f.outputFlags.add(c)
	f.addJudgement(c)
	c.Flags().StringArrayVar(&f.targets, "target", nil, "judge only requests to this, as in diagnose; may be given more than once")
	c.Flags().StringArrayVar(&points, "point", nil, "NAME=FILE: read a capture of one interface, which was taken at this point")
	c.Flags().StringArrayVarP(&read, "read", "r", nil, "the same as a FILE among the arguments; may be given more than once")
	c.Flags().Var(&f.window, "window", "how long a request may go unanswered before it is judged")
	verboseFlag(c, &f.verbose)
	return c
}

// namedFiles joins the files given as arguments with those that --point names.
// A file given both ways is read once.
func namedFiles(c *cobra.Command, args, points []string) ([]inputs.Input, error) {
	var files []inputs.Input
	for _, path := range args {
		files = append(files, inputs.Input{Path: path})
	}
	for _, s := range points {
		name, path, ok := strings.Cut(s, "=")
		if !ok || name == "" || path == "" {
			return nil, usagef(c, "--point %q: write NAME=FILE", s)
		}
		i := slices.IndexFunc(files, func(f inputs.Input) bool { return sameFile(f.Path, path) })
		switch {
		case i < 0:
			files = append(files, inputs.Input{Path: path, Point: name})
		case files[i].Point == "":
			files[i].Point = name
		default:
			return nil, usagef(c, "--point %q: %s is %s already", s, path, files[i].Point)
		}
	}
	return files, nil
}

// sameFile reports whether two paths lead to one file.
func sameFile(a, b string) bool {
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// replay judges what files hold.
func (a *app) replay(ctx context.Context, f replayFlags, p render.Printer) (*correlate.Document, error) {
	a.confine(f.files)
	hosts, err := openApart(ctx, f.files)
	if err != nil {
		return nil, err
	}
	saving(enough)
	o := pipeline.Options{Options: judge.Options{Targets: f.targets, Window: time.Duration(f.window), Advise: pages.Large}}
	f.tell(&o, p)
	if tell := o.OnIncident; tell != nil && !o.Updates && f.format != formatFlag(render.FormatJSONL) {
		// Nobody watches the clock: who reads wants the whole of each request.
		o.OnIncident = func(i *correlate.Incident) {
			if i.Final {
				tell(i)
			}
		}
	}
	var infos []*recording.Info
	for _, h := range hosts {
		infos = append(infos, h.Info)
	}
	defer a.progress(f.verbose, "replay", infos...)()
	if len(hosts) > 1 {
		return a.apart(ctx, hosts, o)
	}
	a.passedOver(hosts[0].Opened)
	return pipeline.Run(ctx, hosts[0].Source, o)
}

// apart judges recordings of several hosts one host after the other: nothing of
// one says anything of another.
func (a *app) apart(ctx context.Context, hosts []inputs.Host, o pipeline.Options) (*correlate.Document, error) {
	var names []string
	for _, h := range hosts {
		names = append(names, render.Clean(h.Name))
	}
	fmt.Fprintf(a.err, "recordings of %d hosts, judged apart: %s\n", len(hosts), strings.Join(names, ", "))
	var docs []*correlate.Document
	var behind []int
	told, last := o.OnIncident, 0
	for i, h := range hosts {
		a.passedOver(h.Opened)
		before := last
		count := func(id string) {
			if n, err := strconv.Atoi(id); err == nil {
				last = max(last, before+n)
			}
		}
		if told != nil {
			o.OnIncident = func(in *correlate.Incident) {
				count(in.ID)
				in.Of(names[i], before)
				told(in)
			}
		}
		d, err := pipeline.Run(ctx, h.Source, o)
		if d != nil {
			for k := range d.Requests {
				count(d.Requests[k].ID)
			}
			docs, behind = append(docs, d), append(behind, before)
		}
		if err != nil && len(docs) == 0 {
			return nil, err
		}
		if err != nil {
			return correlate.Apart(names, docs, behind), err
		}
		o.OnStart = nil // it was told for the first
	}
	return correlate.Apart(names, docs, behind), nil
}

// passedOver says which files of folders, and parts of dumps, were of no use.
func (a *app) passedOver(in *inputs.Opened) {
	const most = 5
	for i, why := range in.Unknown {
		if i == most {
			fmt.Fprintf(a.err, "and %d more\n", len(in.Unknown)-most)
			break
		}
		fmt.Fprintf(a.err, "passed over: %s\n", render.Clean(why))
	}
	for _, d := range in.Dumps {
		if d.Err != nil {
			fmt.Fprintf(a.err, "read in part: %s: %s\n", render.Clean(d.Path), render.Clean(d.Err.Error()))
		}
	}
}

// tell makes a run report to a printer as it goes, where its format does.
func (f *outputFlags) tell(o *pipeline.Options, p render.Printer) {
	defer f.watch(o)
	o.Keep, o.OnStart, o.OnFlood = mostInSummary, p.Start, p.Flood
	if f.summary && f.selected.All() && f.format == formatFlag(render.FormatJSON) {
		return // those that are kept, and no others
	}
	o.OnIncident = p.Incident // told as they came; the document only has to name the worst
	if f.format == formatFlag(render.FormatJSON) {
		o.Keep, o.Updates = 0, true // the printer holds them
	}
}

// watch has what became of each request noted for --expect-from, beside what is told.
func (f *outputFlags) watch(o *pipeline.Options) {
	told := o.OnIncident
	if f.each == nil {
		return
	}
	o.OnIncident = func(i *correlate.Incident) {
		f.each.take(i)
		if told != nil {
			told(i)
		}
	}
}
