// Command pause is the program of containers that hold nothing else: it waits
// to be told to end. The tests build it without cgo, however they were built
// themselves, because nothing that it could be linked to is there.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT)
	<-told
}
