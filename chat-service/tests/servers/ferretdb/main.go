// Command ferretdb is the MongoDB-protocol server of the tests where there is no mongod: FerretDB v1 on SQLite files.
//
// It prints "listening on mongodb://ADDRESS/" once it answers, and stops on SIGINT and SIGTERM. What was
// acknowledged survives its being killed. docs/mongodb.md says in what it differs from MongoDB.
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	log.SetFlags(0)
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on; port 0 takes a free one")
	dir := flag.String("dir", "", "folder of the databases' files (required; made where missing)")
	pair := flag.String("tls", "", "file that holds a certificate and its key, to be reached over TLS only")
	flag.Parse()
	if *dir == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := serve(*listen, *dir, *pair); err != nil {
		log.Fatalf("ferretdb: %v", err)
	}
}

func serve(address, dir, pair string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	if pair != "" {
		certificate, err := tls.LoadX509KeyPair(pair, pair)
		if err != nil {
			return err
		}
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate}})
	}
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Handler:   "sqlite",
		SQLiteURL: "file:" + dir + "/",
		Logger:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	done := make(chan error, 2)
	go func() { done <- server.Run(ctx) }()
	backend, err := url.Parse(server.MongoDBURI()) // waits for Run to listen
	if err != nil {
		return err
	}
	go func() { done <- serveInTurns(ctx, listener, backend.Host) }()
	fmt.Printf("listening on mongodb://%s/\n", listener.Addr())
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return nil // not waiting for clients to hang up: every acknowledged write is in its file already
	}
}
