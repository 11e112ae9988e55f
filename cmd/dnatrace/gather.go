package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"dnatrace/capture/target"
	"dnatrace/cmd/internal/gather"
)

func (a *app) gatherCommand() *cobra.Command {
	var folder string
	during := durationFlag(30 * time.Second)
	c := &cobra.Command{
		Use:   "collect [PORT…] [-w FOLDER]",
		Short: "Print a script that gathers, on a host without dnatrace, what replay needs",
		Long: `Print a shell script that gathers into one folder what replay needs: a capture of
all interfaces, and what docker, iptables, nft, ip, ss, sysctl and conntrack print,
of the host and of each running container. It is for hosts where dnatrace cannot be
put: the script needs a shell, root, and whatever of those tools there is.

With -w it is run here, into FOLDER, which must not exist. It changes nothing on the
host.

PORT narrows the capture. Name the published port and the container's own: behind the
translation the request bears that.`,
		Example: `  dnatrace collect > gather.sh
  dnatrace collect 8080 80 -d 1m | ssh root@host sh -s
  sudo dnatrace collect -w incident && dnatrace replay incident`,
		RunE: func(c *cobra.Command, args []string) error {
			o := gather.Options{For: time.Duration(during)}
			targets, err := target.ParseAll(args)
			if err != nil {
				return err
			}
			for _, t := range targets {
				if t.Named() || t.Port == 0 || t.Last != 0 {
					return usagef(c, "%q: give ports by their numbers: what a name stands for is known on the host alone", t.Text)
				}
				o.Ports = append(o.Ports, t.Port)
			}
			if folder == "" {
				_, err := fmt.Fprint(a.out, gather.Script(o))
				return err
			}
			if runtime.GOOS != "linux" {
				return errors.New("gather here: needs Linux: without -w the script is printed")
			}
			if _, err := os.Lstat(folder); err == nil {
				return usagef(c, "-w %s: it exists already", folder)
			}
			return gather.Run(c.Context(), o, folder, a.err)
		},
	}
	c.Flags().StringVarP(&folder, "write", "w", "", "run the script here, into this new folder")
	c.Flags().VarP(&during, "duration", "d", "how long packets are captured")
	return c
}
